package web

import (
	"encoding/json"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/web/openapi"
)

// Routes and Access are for the test that holds the one to the other.
func (s *Server) Routes() gin.RoutesInfo { return s.routes().Routes() }
func Access() map[string]identity.Action { return access }
func Owners() map[string]string          { return owners }

// Operations are the routes of the table of the API, ForBrowsers the others.
func Operations() map[string]bool {
	all := map[string]bool{}
	for _, s := range sections {
		for _, o := range s.operations {
			all[o.route] = true
		}
	}
	return all
}

func ForBrowsers() []string { return forBrowsers }

// ClosedDocument is the document in which objects have no more fields than it says.
func ClosedDocument() ([]byte, *openapi.Types, error) {
	d, types, err := newDocument(func(string) bool { return true }, "", "test", true)
	if err != nil {
		return nil, nil, err
	}
	text, err := json.Marshal(d)
	return text, types, err
}

func CodeWords() map[ropeline.Code]string { return codeWords }
func Statuses() map[ropeline.Code]int     { return statuses }
