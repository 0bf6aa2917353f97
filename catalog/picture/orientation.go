package picture

import (
	"bytes"
	"encoding/binary"
	"image"
)

// turn is how a camera was held, by the values of Exif's tag Orientation
// (CIPA DC-008, 4.6.5.1).
type turn uint16

const upright turn = 1

// swaps tells whether width and height change places.
func (t turn) swaps() bool { return t >= 5 && t <= 8 }

// apply is where a pixel of a picture of w by h belongs.
func (t turn) apply(x, y, w, h int) image.Point {
	switch t {
	case 2:
		return image.Pt(w-1-x, y)
	case 3:
		return image.Pt(w-1-x, h-1-y)
	case 4:
		return image.Pt(x, h-1-y)
	case 5:
		return image.Pt(y, x)
	case 6:
		return image.Pt(h-1-y, x)
	case 7:
		return image.Pt(h-1-y, w-1-x)
	case 8:
		return image.Pt(y, w-1-x)
	}
	return image.Pt(x, y)
}

// orientation reads how a JPEG is to be turned; upright where it does not say.
func orientation(file []byte) turn {
	if !bytes.HasPrefix(file, []byte("\xff\xd8")) {
		return upright
	}
	for at := 2; at+4 <= len(file) && file[at] == 0xff; {
		marker, size := file[at+1], int(binary.BigEndian.Uint16(file[at+2:]))
		if marker == 0xda || size < 2 || at+2+size > len(file) { // the scan begins, or the file is short
			return upright
		}
		if body, is := bytes.CutPrefix(file[at+4:at+2+size], []byte("Exif\x00\x00")); marker == 0xe1 && is {
			return exifTurn(body)
		}
		at += 2 + size
	}
	return upright
}

// exifTurn finds the tag in the first directory of a TIFF structure.
func exifTurn(tiff []byte) turn {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(tiff, []byte("II*\x00")):
		order = binary.LittleEndian
	case bytes.HasPrefix(tiff, []byte("MM\x00*")):
		order = binary.BigEndian
	default:
		return upright
	}
	if len(tiff) < 8 {
		return upright
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return upright
	}
	entries := int64(order.Uint16(tiff[at:]))
	for i := range entries {
		e := at + 2 + 12*i
		if e+12 > int64(len(tiff)) {
			return upright
		}
		if order.Uint16(tiff[e:]) == 0x0112 {
			if t := turn(order.Uint16(tiff[e+8:])); t >= 1 && t <= 8 {
				return t
			}
			return upright
		}
	}
	return upright
}
