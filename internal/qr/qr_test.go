package qr

import (
	"bytes"
	"image"
	"image/png"
	"strings"
	"testing"
)

// The picture shows the squares of the code, each as large as the others, and no
// side is larger than was asked for.
func TestPictureIsTheCode(t *testing.T) {
	for _, c := range []struct {
		text   string
		level  Level
		pixels int
	}{
		{"x", Low, 320}, {"https://house.example/recover/" + strings.Repeat("Ab1", 90), Low, 320}, {strings.Repeat("ticket code ", 20), Medium, 320},
		{"small", Medium, 1}, {"odd", Medium, 331},
	} {
		file, err := PNG(c.text, c.level, c.pixels)
		if err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatalf("%q: %v", c.text, err)
		}
		squares, err := Squares(c.text, c.level)
		if err != nil {
			t.Fatal(err)
		}
		side := picture.Bounds().Dx()
		whole := len(squares) + 2*border
		scale := side / whole
		if picture.Bounds() != image.Rect(0, 0, side, side) || side%whole != 0 || scale > 1 && side > c.pixels || side+whole <= c.pixels {
			t.Errorf("%q: %v for %d squares in %d pixels", c.text, picture.Bounds(), len(squares), c.pixels)
		}
		for y := range side {
			for x := range side {
				row, column := y/scale-border, x/scale-border
				black := min(row, column) >= 0 && max(row, column) < len(squares) && squares[row][column]
				if r, _, _, _ := picture.At(x, y).RGBA(); (r == 0) != black || r != 0 && r != 0xffff {
					t.Fatalf("%q: wrong at %d, %d: %#x", c.text, x, y, r)
				}
			}
		}
		if len(file) > 4<<10 {
			t.Errorf("%q: %d bytes", c.text, len(file))
		}
	}
	if _, err := PNG(strings.Repeat("x", 5000), Low, 320); err == nil {
		t.Error("a text that no code can hold was drawn")
	}
}

func BenchmarkPNG(b *testing.B) {
	text := strings.Repeat("ticket code ", 20)
	for b.Loop() {
		if _, err := PNG(text, Medium, 320); err != nil {
			b.Fatal(err)
		}
	}
}
