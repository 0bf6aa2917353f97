// Package qr draws QR codes as PNG pictures of two colours.
package qr

import (
	"bytes"
	"image"
	"image/color"
	"image/png"

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
	encoder = png.Encoder{CompressionLevel: png.BestSpeed} // of rows that repeat, little is left at any level
)

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
		for y := range scale {
			line := picture.Pix[((border+row)*scale+y)*picture.Stride+border*scale:]
			for x := range scale * len(black) {
				if black[x/scale] {
					line[x] = 1
				}
			}
		}
	}
	var out bytes.Buffer
	err = encoder.Encode(&out, picture)
	return out.Bytes(), err
}
