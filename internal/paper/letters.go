package paper

import (
	"strings"
	"sync"
	"unicode"

	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
)

var letters = sync.OnceValues(func() (*sfnt.Font, error) { return sfnt.Parse(goregular.TTF) })

// legible makes text that the font can print: spaces for what breaks lines, a
// question mark for a letter that is not there, nothing for what has no shape.
func legible(text string) string {
	font, err := letters()
	if err != nil {
		return "" // the font is built in; a test reads it
	}
	var buffer sfnt.Buffer
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		if index, err := font.GlyphIndex(&buffer, r); err != nil || index == 0 || r > 0xffff {
			return '?'
		}
		return r
	}, text)), " ")
}
