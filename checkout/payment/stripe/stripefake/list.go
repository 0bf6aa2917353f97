package stripefake

import (
	"net/http"
	"strconv"
	"time"
)

type item interface {
	ID() string
	IntentID() string
	Created() time.Time
}

// list is a page of a list, the newest first.
func list[T item](all []T, form map[string][]string, view func(T, map[string][]string) object) answer {
	limit := 10
	if n, err := strconv.Atoi(first(form, "limit")); err == nil {
		limit = n
	}
	if limit < 1 || limit > 100 {
		return refusal(http.StatusBadRequest, "invalid_request_error", "parameter_invalid_integer", "Invalid limit")
	}
	bound := func(name string, without int64) int64 {
		if n, err := strconv.ParseInt(first(form, "created["+name+"]"), 10, 64); err == nil {
			return n
		}
		return without
	}
	since, until := bound("gte", -1), bound("lt", 1<<62)
	after, intent := first(form, "starting_after"), first(form, "payment_intent")
	started := after == ""
	page, more := []object{}, false
	for i := len(all) - 1; i >= 0; i-- {
		one := all[i]
		if !started {
			started = one.ID() == after
			continue
		}
		if at := one.Created().Unix(); at < since || at >= until || intent != "" && one.IntentID() != intent {
			continue
		}
		if len(page) == limit {
			more = true
			break
		}
		page = append(page, view(one, form))
	}
	if !started {
		return missing("object", after)
	}
	return answer{http.StatusOK, object{"object": "list", "data": page, "has_more": more, "url": "/v1"}}
}
