package web

import (
	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline/identity"
)

// Routes and Access are for the test that holds the one to the other.
func (s *Server) Routes() gin.RoutesInfo { return s.routes().Routes() }
func Access() map[string]identity.Action { return access }
func Owners() map[string]string          { return owners }
