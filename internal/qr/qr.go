// Package qr draws QR codes as PNG pictures of two colours.
package qr

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"sync"

	"rsc.io/qr"
)

// Level is how much of the picture may be lost.
type Level = qr.Level

// The levels that the house uses: 7 % and 15 %.
const (
	Low    = qr.L
	Medium = qr.M
)

const border = 4 // squares of white around the code, as ISO/IEC 18004 wants

var (
	colours = color.Palette{color.White, color.Black}
	encoder = png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: &buffers{}} // of rows that repeat, little is left at any level
)

// buffers are the encoder's, which weigh a megabyte.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() *png.EncoderBuffer {
	buffer, _ := b.pool.Get().(*png.EncoderBuffer)
	return buffer // nil: the encoder makes one
}

func (b *buffers) Put(buffer *png.EncoderBuffer) { b.pool.Put(buffer) }

// Squares is the code without a border, row by row; true is black. The error is
// that of a text that is too long for a code.
func Squares(text string, level Level) ([][]bool, error) {
	code, err := qr.Encode(text, level)
	if err != nil {
		return nil, err
	}
	squares := make([][]bool, code.Size)
	for y := range squares {
		squares[y] = make([]bool, code.Size)
		for x := range squares[y] {
			squares[y][x] = code.Black(x, y)
		}
	}
	return squares, nil
}

// PNG is the code as a picture with a white border, black on white. Its side is
// the largest whole multiple of the code's that fits into pixels, and at the least
// one pixel a square. The error is that of Squares.
func PNG(text string, level Level, pixels int) ([]byte, error) {
	squares, err := Squares(text, level)
	if err != nil {
		return nil, err
	}
	scale := max(pixels/(len(squares)+2*border), 1)
	side := scale * (len(squares) + 2*border)
	picture := image.NewPaletted(image.Rect(0, 0, side, side), colours)
	for row, black := range squares {
		top := (border + row) * scale * picture.Stride
		line := picture.Pix[top : top+picture.Stride]
		for column, is := range black {
			if is {
				for x := range scale {
					line[(border+column)*scale+x] = 1
				}
			}
		}
		for y := 1; y < scale; y++ {
			copy(picture.Pix[top+y*picture.Stride:], line)
		}
	}
	var out bytes.Buffer
	err = encoder.Encode(&out, picture)
	return out.Bytes(), err
}
