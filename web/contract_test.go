package web_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/ropeline/ropeline/web"
)

// document is that of the API, as a tool of somebody else reads it.
type document struct{ router routers.Router }

// theContract reads the document once for all tests.
var theContract = sync.OnceValues(func() (document, error) {
	text, _, err := web.ClosedDocument()
	if err != nil {
		return document{}, err
	}
	loaded, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return document{}, err
	}
	if err := loaded.Validate(context.Background()); err != nil {
		return document{}, err
	}
	router, err := gorillamux.NewRouter(loaded)
	return document{router}, err
})

// errNoOperation: the document does not know the address, or not the method.
var errNoOperation = errors.New("no operation")

// find finds the operation that a request is for.
func (d document) find(r *http.Request) (*openapi3filter.RequestValidationInput, error) {
	route, parameters, err := d.router.FindRoute(r)
	if err != nil {
		return nil, errors.Join(errNoOperation, err)
	}
	return &openapi3filter.RequestValidationInput{
		Request: r, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, MultiError: true, SkipSettingDefaults: true,
		},
	}, nil
}

// request tells whether the document allows what was asked.
func (d document) request(r *http.Request) error {
	asked, err := d.find(r)
	if err != nil {
		return err
	}
	return openapi3filter.ValidateRequest(r.Context(), asked)
}

// answer tells whether the document knows what a request was answered.
func (d document) answer(r *http.Request, status int, header http.Header, body []byte) error {
	asked, err := d.find(r)
	if err != nil {
		return err
	}
	heard := &openapi3filter.ResponseValidationInput{RequestValidationInput: asked, Status: status, Header: header, Options: asked.Options}
	return openapi3filter.ValidateResponse(r.Context(), heard.SetBodyBytes(body))
}

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
		check := func(what string, err error) {
			if err != nil && !errors.Is(err, errNoOperation) { // a page's address; the table of routes is held complete elsewhere
				t.Errorf("%s %s is not as /openapi.json says: the %s: %v\n\tsent %.300s\n\tanswered %d %.600s", r.Method, r.URL.Path, what, err, sent, heard.status, heard.body.String())
			}
		}
		if heard.status < http.StatusBadRequest {
			asked.Body = io.NopCloser(bytes.NewReader(sent.Bytes()))
			if sent.Len() > 0 && !strings.HasPrefix(asked.Header.Get("Content-Type"), "multipart/") {
				asked.Header.Set("Content-Type", "application/json") // the API reads JSON, whatever it is called
			}
			check("request", document.request(asked))
		}
		check("answer", document.answer(asked, heard.status, heard.Header(), heard.body.Bytes()))
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
