package catalog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/singleflight"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/catalog/picture"
)

const mostAlt = 300 // characters

// pictures remembers renditions, which never change: a drop's fans all look at
// the same few.
type pictures struct {
	one   *singleflight.Group
	mu    *sync.Mutex
	kept  map[string][]byte
	bytes *int
}

const mostPictures = 32 << 20 // bytes kept; past it the memory starts anew

func newPictures() pictures {
	return pictures{one: &singleflight.Group{}, mu: &sync.Mutex{}, kept: map[string][]byte{}, bytes: new(int)}
}

func (p pictures) get(key string) ([]byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	jpeg, known := p.kept[key]
	return jpeg, known
}

func (p pictures) keep(key string, jpeg []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if *p.bytes+len(jpeg) > mostPictures {
		clear(p.kept)
		*p.bytes = 0
	}
	if _, known := p.kept[key]; !known {
		*p.bytes += len(jpeg)
	}
	p.kept[key] = jpeg
}

// located fills in where the renditions are.
func located(p ropeline.Picture) *ropeline.Picture {
	for i, size := range p.Sizes {
		p.Sizes[i].URL = fmt.Sprintf("/pictures/%s/%d.jpg", p.Hash, size.Width)
	}
	return &p
}

// SetPicture gives an event a picture in the caller's transaction, or takes it
// away where made is nil. alt says in words what it shows. It returns what was
// before. Codes: event_not_found, invalid_request for a bad alt.
func (c *Catalog) SetPicture(ctx context.Context, tx pgx.Tx, event ropeline.EventID, made *picture.Made, alt string) (before *ropeline.Picture, err error) {
	if made != nil && !text(alt, 1, mostAlt) {
		return nil, ropeline.Errorf(ropeline.CodeInvalidRequest, "alt must say in 1 to %d characters what the picture shows: who does not see it reads that.", mostAlt)
	}
	var was ropeline.Picture
	err = tx.QueryRow(ctx, "select coalesce(picture, ''), picture_alt from events where id = $1 for update", event).Scan(&was.Hash, &was.Alt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ropeline.Errorf(ropeline.CodeEventNotFound, "There is no such event.")
	}
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	if was.Hash != "" {
		before = &was
	}
	batch := &pgx.Batch{}
	if made == nil {
		batch.Queue("update events set picture = null, picture_alt = '' where id = $1", event)
	} else {
		for _, r := range made.Renditions {
			batch.Queue("insert into pictures (hash, width, height, jpeg) values ($1, $2, $3, $4) on conflict (hash, width) do update set created_at = now()", made.Hash, r.Width, r.Height, r.JPEG)
		}
		batch.Queue("update events set picture = $2, picture_alt = $3 where id = $1", event, made.Hash, alt)
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return before, nil
}

// PrunePictures removes up to limit renditions that no event shows any more,
// once they are older than keep: a page that somebody has open may still ask
// for them. One that is shown again meanwhile is made young by SetPicture, in
// the row that this would remove. It returns how many went.
func PrunePictures(ctx context.Context, pool *pgxpool.Pool, keep time.Duration, limit int) (int, error) {
	tag, err := pool.Exec(ctx, `
		delete from pictures where created_at < now() - $1::interval and (hash, width) in (
			select hash, width from pictures p where created_at < now() - $1::interval
				and not exists (select from events where picture = p.hash) limit $2)`, keep, limit)
	return int(tag.RowsAffected()), err
}

// Rendition is a JPEG of a picture by its hash and width; not_found for none.
// It must not be changed.
func (c *Catalog) Rendition(ctx context.Context, hash string, width int) ([]byte, error) {
	key := fmt.Sprintf("%s/%d", hash, width)
	if jpeg, known := c.pictures.get(key); known {
		return jpeg, nil
	}
	read, err, _ := c.pictures.one.Do(key, func() (any, error) {
		var jpeg []byte
		err := c.pool.QueryRow(context.WithoutCancel(ctx), "select jpeg from pictures where hash = $1 and width = $2", hash, width).Scan(&jpeg)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, ropeline.Errorf(ropeline.CodeNotFound, "There is no such picture.")
		}
		if err != nil {
			return nil, ropeline.Unavailable(err)
		}
		c.pictures.keep(key, jpeg)
		return jpeg, nil
	})
	if err != nil {
		return nil, err
	}
	return read.([]byte), nil
}
