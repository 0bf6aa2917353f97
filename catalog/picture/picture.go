// Package picture makes of a file that somebody sent the JPEGs that pages
// show. Nothing of the file itself is ever given out: it is decoded, turned
// upright, scaled and written anew, so that neither what hides in it nor where
// it was taken leaves the house.
//
// A file that is larger, wider or of more pixels than the limits is refused by
// its head, before a pixel is decoded; one that does not decode whole is
// refused too, with code invalid_picture. Nothing here keeps state or starts
// anything; how many are made at once is the caller's to bound, at up to 300 MB
// of memory each.
package picture

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"

	"github.com/ropeline/ropeline"
)

// The limits of a file.
const (
	MostBytes  = 8 << 20
	mostSide   = 10_000 // pixels
	mostPixels = 24_000_000
	leastWidth = 200
	leastHigh  = 100
	quality    = 82
	roughest   = 10  // the lowest quality that is tried
	perPixel   = 200 // bytes of a rendition for each pixel of its width: 94 KiB at 480, 313 KiB at 1600
)

// widths are those that are made, unless the picture is narrower.
var widths = []int{480, 960, 1600}

// Made is a picture, ready to be kept.
type Made struct {
	Hash       string // of the renditions
	Renditions []Rendition
}

// Rendition is the picture in one width.
type Rendition struct {
	Width, Height int
	JPEG          []byte
}

// Make reads a PNG, JPEG or WebP and makes its renditions; invalid_picture for
// anything else.
func Make(file []byte) (*Made, error) {
	decode, decodeHead := decoder(file)
	if decode == nil {
		return nil, invalid("Send a PNG, a JPEG or a WebP.")
	}
	if len(file) > MostBytes {
		return nil, invalid("The file is larger than 8 MB.")
	}
	head, err := decodeHead(bytes.NewReader(file))
	if err != nil {
		return nil, invalid("The file is damaged.")
	}
	switch {
	case head.Width > mostSide || head.Height > mostSide || head.Width*head.Height > mostPixels:
		return nil, invalid("The picture has more than 24 million pixels, or a side of more than 10,000.")
	case min(head.Width, head.Height) < leastHigh || max(head.Width, head.Height) < leastWidth:
		return nil, invalid("The picture is smaller than 200 by 100 pixels.")
	}
	whole, err := decode(bytes.NewReader(file))
	if err != nil {
		return nil, invalid("The file is damaged.")
	}
	turn := orientation(file)
	sum := sha256.New()
	made := &Made{}
	bounds := whole.Bounds()
	wide, high := bounds.Dx(), bounds.Dy()
	if turn.swaps() {
		wide, high = high, wide
	}
	for _, width := range widths {
		if wide < width && len(made.Renditions) > 0 {
			break
		}
		width = min(width, wide)
		height := max(1, (high*width+wide/2)/wide)
		r := Rendition{Width: width, Height: height}
		if r.JPEG, err = encode(render(whole, turn, width, height), width*perPixel); err != nil {
			return nil, err
		}
		sum.Write(r.JPEG)
		made.Renditions = append(made.Renditions, r)
	}
	made.Hash = hex.EncodeToString(sum.Sum(nil)[:16])
	return made, nil
}

// encode takes as much quality as fits into most bytes.
func encode(p image.Image, most int) ([]byte, error) {
	for q := quality; q >= roughest; q -= 12 {
		var out bytes.Buffer
		if err := jpeg.Encode(&out, p, &jpeg.Options{Quality: q}); err != nil {
			return nil, invalid("The picture is too long for a JPEG.")
		}
		if out.Len() <= most {
			return out.Bytes(), nil
		}
	}
	return nil, invalid("The picture is too long, or too restless, to be shown on a page.")
}

// render scales the picture to a size that it has when it stands upright, on
// white where it is transparent.
func render(whole image.Image, turn turn, width, height int) image.Image {
	w, h := width, height
	if turn.swaps() {
		w, h = h, w
	}
	scaled := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(scaled, scaled.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.CatmullRom.Scale(scaled, scaled.Bounds(), whole, whole.Bounds(), draw.Over, nil)
	if turn == upright {
		return scaled
	}
	turned := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range h {
		for x := range w {
			to := turn.apply(x, y, w, h)
			turned.SetRGBA(to.X, to.Y, scaled.RGBAAt(x, y))
		}
	}
	return turned
}

type (
	decodeWhole func(r *bytes.Reader) (image.Image, error)
	decodeHead  func(r *bytes.Reader) (image.Config, error)
)

// decoder finds the decoder by the first bytes, whatever the file is called.
func decoder(file []byte) (decodeWhole, decodeHead) {
	switch {
	case bytes.HasPrefix(file, []byte("\x89PNG\r\n\x1a\n")):
		return func(r *bytes.Reader) (image.Image, error) { return png.Decode(r) }, func(r *bytes.Reader) (image.Config, error) { return png.DecodeConfig(r) }
	case bytes.HasPrefix(file, []byte("\xff\xd8\xff")):
		return func(r *bytes.Reader) (image.Image, error) { return jpeg.Decode(r) }, func(r *bytes.Reader) (image.Config, error) { return jpeg.DecodeConfig(r) }
	case len(file) > 12 && string(file[:4]) == "RIFF" && string(file[8:12]) == "WEBP":
		return func(r *bytes.Reader) (image.Image, error) { return webp.Decode(r) }, func(r *bytes.Reader) (image.Config, error) { return webp.DecodeConfig(r) }
	}
	return nil, nil
}

func invalid(words string) error { return ropeline.Errorf(ropeline.CodeInvalidPicture, "%s", words) }
