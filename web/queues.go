package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/web/pages"
)

// tasksShown is how many tasks one answer lists; ?page=2 has the next ones.
const tasksShown = 50

// queueView is one of asynq's queues in numbers.
type queueView struct {
	Queue         string  `json:"queue"`
	Pending       int     `json:"pending"`
	Active        int     `json:"active"`
	Scheduled     int     `json:"scheduled"`
	Retry         int     `json:"retry"`
	Archived      int     `json:"archived"` // given up
	OldestSeconds float64 `json:"oldest_seconds"`
	Processed     int     `json:"processed"` // today, by UTC
}

// taskView is one task.
type taskView struct {
	ID       string     `json:"id"`
	Type     string     `json:"type"`
	Payload  string     `json:"payload"`
	State    string     `json:"state"`
	Retried  int        `json:"retried"`
	MaxRetry int        `json:"max_retry"`
	Error    string     `json:"error,omitempty"`
	FailedAt *time.Time `json:"failed_at,omitempty"`
	NextAt   *time.Time `json:"next_at,omitempty"`
	Orphaned bool       `json:"orphaned,omitempty"` // its worker is gone; asynq will notice
}

type queuesView struct {
	Queues []queueView `json:"queues"`
	Tasks  []taskView  `json:"tasks"`
}

type taskBody struct {
	Task   string `json:"task"`
	Action string `json:"action"`
}

// queues: GET /admin/queues, with ?queue=…&state=… also that queue's tasks in
// that state.
func (s *Server) queues(c *gin.Context) error {
	names, err := s.inspector.Queues()
	if err != nil {
		return ropeline.Unavailable(err)
	}
	slices.Sort(names)
	views := []queueView{}
	for _, name := range names {
		info, err := s.inspector.GetQueueInfo(name)
		if err != nil {
			return ropeline.Unavailable(err)
		}
		views = append(views, queueView{Queue: name, Pending: info.Pending, Active: info.Active, Scheduled: info.Scheduled, Retry: info.Retry,
			Archived: info.Archived, OldestSeconds: info.Latency.Seconds(), Processed: info.Processed})
	}
	queue, state := c.Query("queue"), c.DefaultQuery("state", "archived")
	page, _ := strconv.Atoi(c.DefaultQuery("page", "1"))
	page = min(max(page, 1), 10_000)
	tasks := []taskView{}
	if queue != "" {
		if tasks, err = s.tasks(queue, state, page); err != nil {
			return err
		}
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Vary", "Accept")
	if !wantsPage(c.Request) {
		c.JSON(http.StatusOK, queuesView{Queues: views, Tasks: tasks})
		return nil
	}
	view := pages.QueuesView{Frame: pages.Frame{Organizer: account(c).Email}, Queue: queue, State: state}
	if len(tasks) == tasksShown {
		view.Next = page + 1
	}
	for _, q := range views {
		view.Queues = append(view.Queues, pages.QueueRow{Name: q.Queue, Oldest: time.Duration(q.OldestSeconds * float64(time.Second)), Processed: q.Processed,
			States: []pages.StateCount{{State: "pending", Count: int64(q.Pending)}, {State: "active", Count: int64(q.Active)},
				{State: "scheduled", Count: int64(q.Scheduled)}, {State: "retry", Count: int64(q.Retry)}, {State: "archived", Count: int64(q.Archived)}}})
	}
	for _, t := range tasks {
		view.Tasks = append(view.Tasks, pages.TaskRow{ID: t.ID, Type: t.Type, Payload: t.Payload, Retried: t.Retried, Error: t.Error, NextAt: t.NextAt, FailedAt: t.FailedAt,
			Run: state != "pending" && state != "active", Archive: state != "archived" && state != "active", Delete: state != "active"})
	}
	return s.pages.Queues(pages.Zip(c.Writer, c.Request), view)
}

func (s *Server) tasks(queue, state string, page int) ([]taskView, error) {
	list := map[string]func(string, ...asynq.ListOption) ([]*asynq.TaskInfo, error){
		"pending": s.inspector.ListPendingTasks, "active": s.inspector.ListActiveTasks, "scheduled": s.inspector.ListScheduledTasks,
		"retry": s.inspector.ListRetryTasks, "archived": s.inspector.ListArchivedTasks,
	}[state]
	if list == nil {
		return nil, ropeline.Errorf(ropeline.CodeInvalidRequest, "There is no such state of a task.")
	}
	infos, err := list(queue, asynq.PageSize(tasksShown), asynq.Page(page))
	if errors.Is(err, asynq.ErrQueueNotFound) {
		return nil, ropeline.Errorf(ropeline.CodeTaskNotFound, "There is no such queue.")
	}
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	views := make([]taskView, len(infos))
	for i, t := range infos {
		views[i] = taskView{ID: t.ID, Type: t.Type, Payload: excerpt(t.Payload), State: t.State.String(), Retried: t.Retried, MaxRetry: t.MaxRetry,
			Error: t.LastErr, FailedAt: known(t.LastFailedAt), NextAt: known(t.NextProcessAt), Orphaned: t.IsOrphaned}
	}
	return views, nil
}

// excerpt shows a payload; ours are ids.
func excerpt(payload []byte) string {
	const most = 200
	if !utf8.Valid(payload) {
		return strconv.Itoa(len(payload)) + " bytes"
	}
	if len(payload) > most {
		return string([]rune(string(payload[:most]))) + "…"
	}
	return string(payload)
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// changeTask: POST /admin/queues/{queue} with {"task":"…","action":"run"}, or
// archive, or delete. A task is a hint, so none of these loses work: what is
// owed is in Postgres, and a sweep finds it.
func (s *Server) changeTask(c *gin.Context) error {
	var body taskBody
	form := isForm(c.Request)
	if form {
		body.Task, body.Action = c.PostForm("task"), c.PostForm("action")
	} else if err := readJSON(c, &body); err != nil {
		return err
	}
	queue := c.Param("queue")
	act := map[string]func(string, string) error{"run": s.inspector.RunTask, "archive": s.inspector.ArchiveTask, "delete": s.inspector.DeleteTask}[body.Action]
	if act == nil || !plain(body.Task) || body.Task == "" {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "Say which task to run, archive or delete.")
	}
	err := s.audited(c, "task."+body.Action, "task/"+queue+"/"+body.Task, func(context.Context, pgx.Tx) error {
		err := act(queue, body.Task)
		switch {
		case errors.Is(err, asynq.ErrQueueNotFound), errors.Is(err, asynq.ErrTaskNotFound):
			return ropeline.Errorf(ropeline.CodeTaskNotFound, "There is no such task any more.")
		case err != nil && s.inspectable(queue, body.Task):
			return ropeline.Errorf(ropeline.CodeTaskState, "The task is not in a state in which that can be done.")
		}
		return err
	})
	if err != nil {
		return err
	}
	if form {
		c.Redirect(http.StatusSeeOther, "/admin/queues?queue="+queue)
		return nil
	}
	c.Status(http.StatusNoContent)
	return nil
}

// inspectable tells a task whose state forbids something from a Redis that is
// away: asynq has one error for both.
func (s *Server) inspectable(queue, task string) bool {
	_, err := s.inspector.GetTaskInfo(queue, task)
	return err == nil
}
