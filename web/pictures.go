package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/catalog/picture"
)

const (
	mostUpload  = picture.MostBytes + 64<<10 // bytes of a body with a picture and its words
	uploadTime  = 2 * time.Minute            // for a slow line
	pictureTurn = 10 * time.Second           // that a picture waits until another is made
)

// takesPicture tells the addresses whose bodies may be as large as a picture.
func takesPicture(path string) bool {
	return strings.HasPrefix(path, "/admin/events/") && strings.HasSuffix(path, "/picture")
}

// setPicture: POST /admin/events/{id}/picture, multipart/form-data with the
// file picture and the text alt. The page's form may send remove instead.
func (s *Server) setPicture(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	select { // before the body is read: one picture at a time is in memory
	case s.easel <- struct{}{}:
		defer func() { <-s.easel }()
	case <-time.After(pictureTurn):
		return &ropeline.Error{Code: ropeline.CodeRateLimited, Message: "Other pictures are being made just now. Try again in a moment.", RetryAfter: pictureTurn}
	case <-c.Request.Context().Done():
		return ropeline.Unavailable(c.Request.Context().Err())
	}
	if err := http.NewResponseController(c.Writer).SetReadDeadline(time.Now().Add(uploadTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if err := c.Request.ParseMultipartForm(mostUpload); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return bodyError(err)
		}
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "Send multipart/form-data with the file picture and the text alt.")
	}
	defer c.Request.MultipartForm.RemoveAll()
	var made *picture.Made
	alt := strings.TrimSpace(c.PostForm("alt"))
	if c.PostForm("remove") != "yes" {
		file, _, err := c.Request.FormFile("picture")
		if err != nil {
			return ropeline.Errorf(ropeline.CodeInvalidRequest, "The file picture is missing.")
		}
		defer file.Close()
		bytes, err := io.ReadAll(file)
		if err != nil {
			return err
		}
		if made, err = picture.Make(bytes); err != nil {
			return err
		}
	}
	if err := s.keepPicture(c, event.ID, made, alt); err != nil {
		return err
	}
	if wantsPage(c.Request) {
		c.Redirect(http.StatusSeeOther, "/admin/events/"+string(event.ID)+"#h-picture")
		return nil
	}
	return s.answerPicture(c, event.ID)
}

// dropPicture: DELETE /admin/events/{id}/picture.
func (s *Server) dropPicture(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	if err := s.keepPicture(c, event.ID, nil, ""); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (s *Server) keepPicture(c *gin.Context, event ropeline.EventID, made *picture.Made, alt string) error {
	type pictureChange struct {
		Hash string `json:"hash,omitempty"`
		Alt  string `json:"alt,omitempty"`
	}
	err := s.change(c.Request.Context(), func(tx pgx.Tx) error {
		before, err := s.catalog.SetPicture(c.Request.Context(), tx, event, made, alt)
		if err != nil {
			return err
		}
		var was, is pictureChange
		if before != nil {
			was = pictureChange{before.Hash, before.Alt}
		}
		if made != nil {
			is = pictureChange{made.Hash, alt}
		}
		return s.record(c, tx, "event.picture", "event/"+string(event), was, is)
	})
	if err == nil {
		s.catalog.Forget(event)
	}
	return err
}

func (s *Server) answerPicture(c *gin.Context, event ropeline.EventID) error {
	now, err := s.catalog.Current(context.WithoutCancel(c.Request.Context()), event)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, now.Picture)
	return nil
}

var (
	pictureHash = regexp.MustCompile(`^[0-9a-f]{32}$`)
	pictureName = regexp.MustCompile(`^([1-9][0-9]{0,4})\.jpg$`)
)

// pictureFile: GET /pictures/{hash}/{width}.jpg. What is at an address never
// changes.
func (s *Server) pictureFile(c *gin.Context) error {
	file := pictureName.FindStringSubmatch(c.Param("file"))
	if file == nil || !pictureHash.MatchString(c.Param("hash")) {
		return ropeline.Errorf(ropeline.CodeNotFound, "There is no such picture.")
	}
	width, err := strconv.Atoi(file[1])
	if err != nil {
		return err
	}
	jpeg, err := s.catalog.Rendition(c.Request.Context(), c.Param("hash"), width)
	if err != nil {
		return err
	}
	tag := `"` + c.Param("hash") + "-" + file[1] + `"`
	c.Header("Cache-Control", "public, max-age=31536000, immutable")
	c.Header("Content-Security-Policy", "default-src 'none'; sandbox")
	c.Header("Cross-Origin-Resource-Policy", "cross-origin") // who shows an event elsewhere may show its picture
	c.Header("ETag", tag)
	if c.GetHeader("If-None-Match") == tag {
		c.Status(http.StatusNotModified)
		return nil
	}
	c.Data(http.StatusOK, "image/jpeg", jpeg)
	return nil
}
