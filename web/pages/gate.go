package pages

import (
	"net/http"

	"github.com/ropeline/ropeline"
)

// GatesView is the choice of the event whose tickets are checked.
type GatesView struct {
	Frame
	Events []ropeline.Event
}

// GateView is the page at the entrance.
type GateView struct {
	Frame
	Event ropeline.Event
}

// Gates writes the choice of an event.
func (r *Renderer) Gates(w http.ResponseWriter, v GatesView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "gates", &v)
}

// Gate writes the page at the entrance.
func (r *Renderer) Gate(w http.ResponseWriter, v GateView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "gate", &v)
}

// GateWorker serves the service worker of the gate's page. It stands outside
// of /static/ because its address bounds what it may answer for.
func (r *Renderer) GateWorker(w http.ResponseWriter, q *http.Request) {
	file := r.static.files["js/gateworker.js"]
	w.Header().Set("Content-Type", file.kind)
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Content-Security-Policy", Policy)
	w.Write(file.plain)
}
