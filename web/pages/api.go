package pages

import "net/http"

// APIView is the document of the API, for people to read.
type APIView struct {
	Frame
	About    []string // paragraphs
	Chapters []APIChapter
	Ways     []APIField // to show who asks
	Schemas  []APISchema
	Problems []APIField
}

// APIChapter is a part of the operations.
type APIChapter struct {
	ID, Name, Lead string
	Operations     []APIOperation
}

// APIOperation is one of them.
type APIOperation struct {
	ID, Method, Path, Says, More string
	Ways                         string // to show who asks; "" for anybody
	Params, Body                 []APIField
	BodyExample                  string
	Answers                      []APIAnswer
	Problems                     []APIAnswer
}

// APIField is a field, a parameter, or a word that is explained.
type APIField struct {
	Name, Where, Words string
	Kind               APIKind
	Required           bool
}

// APIKind is a type in words, with the name of a schema in it if there is one.
type APIKind struct{ Before, Schema, After string }

// APIAnswer is what may come back.
type APIAnswer struct {
	Status, Words, Example string
	Kinds                  []APIKind
}

// APISchema is a type of the answers.
type APISchema struct {
	Name   string
	Fields []APIField
}

// API shows the document of the API.
func (r *Renderer) API(w http.ResponseWriter, v APIView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "api", v)
}
