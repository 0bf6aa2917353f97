package pages

import (
	"net/http"
	"time"
)

// StateCount is how many are in a state.
type StateCount struct {
	State string
	Count int64
}

// NotificationsView lists messages to people.
type NotificationsView struct {
	Frame
	State  string // that is listed
	States []StateCount
	Mail   string // how mail is sent; "log": it is only logged
	SMS    string // likewise; "": not offered
	Rows   []NotificationRow
}

// NotificationRow is one message; the address is masked.
type NotificationRow struct {
	ID        string
	Kind      string
	To        string
	Attempts  int
	NextAt    *time.Time
	LastError string
	ChangedAt time.Time
}

// QueuesView shows asynq's queues, and the tasks of one in one state.
type QueuesView struct {
	Frame
	Queues []QueueRow
	Queue  string // whose tasks are listed; "": none
	State  string
	Tasks  []TaskRow
	Next   int // page; 0: none
}

// QueueRow is one queue.
type QueueRow struct {
	Name      string
	States    []StateCount
	Oldest    time.Duration
	Processed int
}

// TaskRow is one task, and what may be done with it.
type TaskRow struct {
	ID, Type, Payload    string
	Retried              int
	Error                string
	FailedAt, NextAt     *time.Time
	Run, Archive, Delete bool
}

// Notifications writes the page of messages.
func (r *Renderer) Notifications(w http.ResponseWriter, v NotificationsView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "notifications", &v)
}

// Queues writes the page of queues.
func (r *Renderer) Queues(w http.ResponseWriter, v QueuesView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "queues", &v)
}
