package picture

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"

	"github.com/ropeline/ropeline"
)

// halves is red on the left and blue on the right.
func halves(w, h int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, map[bool]color.Color{true: color.RGBA{R: 255, A: 255}, false: color.RGBA{B: 255, A: 255}}[x < w/2])
		}
	}
	return m
}

func asPNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// asJPEG writes an Exif segment with an orientation and a place behind the start.
func asJPEG(t testing.TB, m image.Image, orientation uint16) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	exif := []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01")
	exif = append(binary.BigEndian.AppendUint16(exif, orientation), "\x00\x00\x00\x00\x00\x00GPS 48.2N"...)
	segment := append(binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(exif)+2)), exif...)
	return append(append([]byte{0xff, 0xd8}, segment...), b.Bytes()[2:]...)
}

func TestMake(t *testing.T) {
	made, err := Make(asPNG(t, halves(2000, 1000)))
	if err != nil || len(made.Renditions) != 3 || len(made.Hash) != 32 {
		t.Fatalf("%+v %v", made, err)
	}
	for i, want := range []image.Point{{480, 240}, {960, 480}, {1600, 800}} {
		r := made.Renditions[i]
		head, err := jpeg.DecodeConfig(bytes.NewReader(r.JPEG))
		if err != nil || (image.Point{head.Width, head.Height}) != want || r.Width != want.X || r.Height != want.Y {
			t.Errorf("%d: %+v %v, want %v", i, head, err, want)
		}
	}
	if again, _ := Make(asPNG(t, halves(2000, 1000))); again.Hash != made.Hash {
		t.Error("the same picture has another hash")
	}
	small, err := Make(asPNG(t, halves(300, 200)))
	if err != nil || len(small.Renditions) != 1 || small.Renditions[0].Width != 300 {
		t.Errorf("a narrow one is blown up: %+v %v", small, err)
	}
	clear, err := Make(asPNG(t, image.NewNRGBA(image.Rect(0, 0, 300, 200))))
	if err != nil {
		t.Fatal(err)
	}
	if m, _ := jpeg.Decode(bytes.NewReader(clear.Renditions[0].JPEG)); m.At(10, 10) != (color.YCbCr{255, 128, 128}) {
		t.Errorf("what is transparent is %v, want white", m.At(10, 10))
	}
}

// A picture stands upright however the camera was held, and nothing that the
// camera wrote beside it leaves the house.
// However restless a picture is, its renditions have bounds.
func TestRenditionsAreBounded(t *testing.T) {
	noisy := image.NewRGBA(image.Rect(0, 0, 1600, 900))
	state := uint32(1)
	for i := range noisy.Pix {
		state = state*1664525 + 1013904223
		noisy.Pix[i] = byte(state >> 24)
	}
	for i := 3; i < len(noisy.Pix); i += 4 {
		noisy.Pix[i] = 255
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, noisy, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	made, err := Make(file.Bytes())
	if ropeline.CodeOf(err) == ropeline.CodeInvalidPicture && err != nil {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range made.Renditions {
		if len(r.JPEG) > r.Width*perPixel {
			t.Errorf("%d bytes at %d pixels", len(r.JPEG), r.Width)
		}
	}
}

func TestOrientation(t *testing.T) {
	for orientation, want := range map[uint16]image.Point{1: {0, 0}, 2: {1, 0}, 3: {1, 0}, 4: {0, 0}, 5: {0, 0}, 6: {0, 0}, 7: {0, 1}, 8: {0, 1}, 99: {0, 0}} {
		made, err := Make(asJPEG(t, halves(400, 200), orientation))
		if err != nil {
			t.Fatal(err)
		}
		r := made.Renditions[0]
		if bytes.Contains(r.JPEG, []byte("GPS")) || bytes.Contains(r.JPEG, []byte("Exif")) {
			t.Errorf("%d: what the camera wrote is still there", orientation)
		}
		if tall := orientation >= 5 && orientation <= 8; tall != (r.Height > r.Width) {
			t.Errorf("%d: %d by %d", orientation, r.Width, r.Height)
		}
		m, err := jpeg.Decode(bytes.NewReader(r.JPEG))
		if err != nil {
			t.Fatal(err)
		}
		// want is the corner, in halves of the picture, where red is.
		red, _, blue, _ := m.At(20+want.X*(r.Width-40), 20+want.Y*(r.Height-40)).RGBA()
		if red < blue {
			t.Errorf("%d: red is not at %v", orientation, want)
		}
	}
}

// pngHead is a PNG that says it is so large, and holds nothing.
func pngHead(w, h uint32) []byte {
	head := append([]byte("IHDR"), binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)...)
	head = append(head, 8, 2, 0, 0, 0)
	file := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	return binary.BigEndian.AppendUint32(append(file, head...), crc32.ChecksumIEEE(head))
}

// A file that is two things at once comes out as the picture alone.
func TestNothingHidesInAPicture(t *testing.T) {
	hidden := []byte("<script>alert(1)</script>PK\x03\x04<?php")
	word := append([]byte("tEXt"), append([]byte("Comment\x00"), hidden...)...)
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(word)-4))
	chunk = binary.BigEndian.AppendUint32(append(chunk, word...), crc32.ChecksumIEEE(word))
	file := asPNG(t, halves(400, 200))
	const head = 8 + 25 // the signature and IHDR
	for name, polyglot := range map[string][]byte{
		"behind a PNG": append(bytes.Clone(file), hidden...), "behind a JPEG": append(asJPEG(t, halves(400, 200), 1), hidden...),
		"in a PNG's text": append(append(bytes.Clone(file[:head]), chunk...), file[head:]...),
	} {
		made, err := Make(polyglot)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, r := range made.Renditions {
			if bytes.Contains(r.JPEG, []byte("script")) || bytes.Contains(r.JPEG, []byte("PK\x03\x04")) || bytes.Contains(r.JPEG, []byte("php")) {
				t.Errorf("%s: it is still there", name)
			}
		}
	}
}

func TestBadFiles(t *testing.T) {
	good := asJPEG(t, halves(400, 200), 1)
	for name, file := range map[string][]byte{
		"nothing": nil, "text": []byte("hello"), "svg": []byte("<svg xmlns='http://www.w3.org/2000/svg'/>"), "gif": []byte("GIF89a..."),
		"half a JPEG": good[:len(good)/2], "a JPEG's start": good[:3], "a bomb": pngHead(60_000, 60_000), "many pixels": pngHead(9_999, 9_999),
		"a line": asPNG(t, halves(3000, 1)), "small": asPNG(t, halves(50, 50)), "too large": append(bytes.Clone(good), make([]byte, MostBytes)...),
		"WebP's start": []byte("RIFF\x00\x00\x00\x00WEBPVP8 "),
	} {
		if _, err := Make(file); ropeline.CodeOf(err) != ropeline.CodeInvalidPicture {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A bomb is refused by its head: nothing of its size is asked for.
	if n := testing.AllocsPerRun(1, func() { Make(pngHead(60_000, 60_000)) }); n > 100 {
		t.Errorf("%v allocations for a bomb", n)
	}
}

// The smallest WebP there is decodes, and is refused for its size only.
func TestWebPIsRead(t *testing.T) {
	file, err := base64.StdEncoding.DecodeString("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Make(file); err == nil || err.Error() == "" || !bytes.Contains([]byte(err.Error()), []byte("smaller")) {
		t.Errorf("%v", err)
	}
}

func FuzzOrientation(f *testing.F) {
	f.Add(asJPEG(f, halves(20, 10), 6))
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00II*\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if turn := orientation(file); turn < 1 || turn > 8 {
			t.Errorf("%d", turn)
		}
	})
}
