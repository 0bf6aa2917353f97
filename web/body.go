package web

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
)

const (
	mostBody = 64 << 10 // bytes of a request's body
	mostKey  = 255      // characters of an Idempotency-Key
)

// readJSON reads one JSON value and nothing after it.
func readJSON(c *gin.Context, into any) error {
	return decodeOne(json.NewDecoder(c.Request.Body), into)
}

// readExactly is readJSON for what cannot be taken back, or changes only what it
// names: a field that means nothing here is refused, so that nobody believes it did.
func readExactly(c *gin.Context, into any) error {
	decoder := json.NewDecoder(c.Request.Body)
	decoder.DisallowUnknownFields()
	return decodeOne(decoder, into)
}

func decodeOne(decoder *json.Decoder, into any) error {
	if err := decoder.Decode(into); err != nil {
		return bodyError(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		if err != nil {
			return bodyError(err)
		}
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "The body holds more than one JSON value.")
	}
	return nil
}

func bodyError(err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return ropeline.Errorf(ropeline.CodeBodyTooLarge, "The body is larger than %d bytes.", tooLarge.Limit)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "%s must not be a %s.", wrong.Field, wrong.Value)
	}
	if field, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "%s means nothing here.", field)
	}
	return ropeline.Errorf(ropeline.CodeInvalidRequest, "The body is not the JSON that is expected here.")
}

// idempotencyKey reads the header, or what our page wrote into its form; an
// absent one is "", which promises nothing.
func idempotencyKey(c *gin.Context) (string, error) {
	key := c.GetHeader("Idempotency-Key")
	if key == "" && isForm(c.Request) {
		key = c.PostForm("key")
	}
	if len(key) > mostKey {
		return "", ropeline.Errorf(ropeline.CodeInvalidKey, "The Idempotency-Key is longer than %d characters.", mostKey)
	}
	for _, b := range []byte(key) {
		if b < 0x20 || b > 0x7e {
			return "", ropeline.Errorf(ropeline.CodeInvalidKey, "The Idempotency-Key must be printable ASCII.")
		}
	}
	return key, nil
}

// keyOrNew is idempotencyKey for what always takes one: a request that names
// none is new each time.
func keyOrNew(c *gin.Context) (string, error) {
	key, err := idempotencyKey(c)
	if err == nil && key == "" {
		key = ropeline.NewID[string]()
	}
	return key, err
}
