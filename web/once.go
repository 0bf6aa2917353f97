package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
)

// once runs do in a transaction and answers with its result; a request that
// comes again with its key gets the first answer, written in the same
// transaction as the effect (I10). Of two at the same time, the second waits
// for the first. Without a key every request is a new one.
func (s *Server) once(c *gin.Context, scope, key string, request any, do func(context.Context, pgx.Tx) (int, any, error)) error {
	return s.onceThen(c, "", scope, key, request, do)
}

// onceThen is once for a page's form too: a browser is led to an address of
// ours instead of being shown the answer. {id} in it is the id that the answer
// tells.
func (s *Server) onceThen(c *gin.Context, to, scope, key string, request any, do func(context.Context, pgx.Tx) (int, any, error)) error {
	ctx := c.Request.Context()
	canonical, err := json.Marshal(request)
	if err != nil {
		return err
	}
	hash := sha256.Sum256(canonical)
	var (
		status int
		body   []byte
	)
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if key != "" {
			var known []byte
			tag, err := tx.Exec(ctx, `insert into idempotency_keys (scope, key, request_hash) values ($1, $2, $3) on conflict do nothing`, scope, key, hash[:])
			if err != nil {
				return err
			}
			if tag.RowsAffected() == 0 {
				if err := tx.QueryRow(ctx, `select request_hash, status, body from idempotency_keys where scope = $1 and key = $2`,
					scope, key).Scan(&known, &status, &body); err != nil {
					return err
				}
				if !bytes.Equal(known, hash[:]) {
					return ropeline.Errorf(ropeline.CodeKeyReused, "This Idempotency-Key came with another body before.")
				}
				recorded(c) // when it was done
				return nil
			}
		}
		var answer any
		if status, answer, err = do(ctx, tx); err != nil {
			return err
		}
		if body, err = json.Marshal(answer); err != nil {
			return err
		}
		if key != "" {
			_, err = tx.Exec(ctx, `update idempotency_keys set status = $3, body = $4 where scope = $1 and key = $2`, scope, key, status, body)
		}
		return err
	})
	if err != nil {
		if _, known := errors.AsType[*ropeline.Error](err); !known {
			err = ropeline.Unavailable(err)
		}
		return err
	}
	c.Header("Cache-Control", "no-store")
	if to != "" && isForm(c.Request) {
		if strings.Contains(to, "{id}") {
			var made struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal(body, &made); err != nil {
				return err
			}
			to = strings.ReplaceAll(to, "{id}", made.ID)
		}
		c.Redirect(http.StatusSeeOther, to)
		return nil
	}
	c.Data(status, gin.MIMEJSON, body)
	return nil
}

// PruneAnswers removes up to limit answers older than keep that are remembered
// for their Idempotency-Key: nobody asks again after so long. It returns how
// many went.
func PruneAnswers(ctx context.Context, pool *pgxpool.Pool, keep time.Duration, limit int) (int, error) {
	tag, err := pool.Exec(ctx, `
		delete from idempotency_keys where ctid = any(array(
			select ctid from idempotency_keys where created_at < now() - $1::interval order by created_at limit $2))`, keep, limit)
	return int(tag.RowsAffected()), err
}
