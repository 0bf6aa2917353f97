package web_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/errors"

	"github.com/ropeline/ropeline/web"
)

// theContract reads the document of the API once for all tests, as a tool of
// somebody else reads it.
var theContract = sync.OnceValues(func() (validator.Validator, error) {
	text, _, err := web.ClosedDocument()
	if err != nil {
		return nil, err
	}
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, err
	}
	v, problems := validator.NewValidator(document, config.WithoutSecurityValidation(), config.WithFormatAssertions())
	if len(problems) > 0 {
		return nil, problems[0]
	}
	return v, nil
})

// contract makes every test of a handler a test of the document: each answer
// must be one that the document knows, and each request that was accepted must
// be one that it allows. Pages, and what answers for as long as somebody
// listens, pass by.
func contract(t *testing.T, next http.Handler) http.Handler {
	document, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if lasts(r.URL.Path) || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		sent := &bytes.Buffer{}
		asked := r.Clone(r.Context())
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, sent), r.Body}
		heard := &listening{ResponseWriter: w}
		next.ServeHTTP(heard, r)
		if heard.status < http.StatusBadRequest {
			succeeded.Store(operationOf(asked), true)
		}
		if !heard.json() || heard.status == http.StatusMethodNotAllowed || strings.Contains(heard.body.String(), "nothing at this address") {
			return
		}
		fail := func(what string, problems []*errors.ValidationError) {
			for _, p := range problems {
				if p.IsPathMissingError() || p.IsOperationMissingError() {
					continue // a page's address; the table of routes is held complete elsewhere
				}
				text := p.Message + ": " + p.Reason
				for _, detail := range p.SchemaValidationErrors {
					text += "\n\t" + detail.FieldPath + " " + detail.Reason
				}
				t.Errorf("%s %s is not as /openapi.json says: the %s: %s\n\tsent %.300s\n\tanswered %d %.600s", r.Method, r.URL.Path, what, text, sent, heard.status, heard.body.String())
			}
		}
		if heard.status < http.StatusBadRequest {
			asked.Body = io.NopCloser(bytes.NewReader(sent.Bytes()))
			if sent.Len() > 0 && !strings.HasPrefix(asked.Header.Get("Content-Type"), "multipart/") {
				asked.Header.Set("Content-Type", "application/json") // the API reads JSON, whatever it is called
			}
			if good, problems := document.ValidateHttpRequestSync(asked); !good {
				fail("request", problems)
			}
		}
		answer := &http.Response{StatusCode: heard.status, Header: heard.Header(), Body: io.NopCloser(&heard.body), Request: asked}
		if good, problems := document.ValidateHttpResponse(asked, answer); !good {
			fail("answer", problems)
		}
	})
}

// listening keeps what is answered in JSON.
type listening struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (l *listening) json() bool {
	kind := l.Header().Get("Content-Type")
	return strings.HasPrefix(kind, "application/json") || strings.HasPrefix(kind, "application/problem+json")
}

func (l *listening) WriteHeader(status int) {
	if l.status == 0 {
		l.status = status
	}
	l.ResponseWriter.WriteHeader(status)
}

func (l *listening) Write(b []byte) (int, error) {
	if l.status == 0 {
		l.status = http.StatusOK
	}
	if l.json() {
		l.body.Write(b)
	}
	return l.ResponseWriter.Write(b)
}

func (l *listening) Unwrap() http.ResponseWriter { return l.ResponseWriter }
