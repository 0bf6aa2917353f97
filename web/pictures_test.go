package web_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/ropeline/ropeline"
)

// upload is a form with a file.
func upload(t *testing.T, file []byte, fields ...string) (body, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if file != nil {
		part, err := w.CreateFormFile("picture", "../../etc/passwd")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), "Content-Type: " + w.FormDataContentType()
}

// An organizer gives an event a picture; fans see ours made of it, for ever
// under its own address. Bad files are refused in words.
func TestPictures(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	session := h.organizer(t)
	path := "/admin/events/" + string(event.ID) + "/picture"
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, 1000, 500))); err != nil {
		t.Fatal(err)
	}
	body, kind := upload(t, file.Bytes(), "alt", `The band, "live"`)
	made := decode[ropeline.Picture](t, h.ask(t, "POST", path, body, session, kind), http.StatusOK)
	if len(made.Sizes) != 2 || made.Alt != `The band, "live"` || !strings.HasPrefix(made.Sizes[0].URL, "/pictures/"+made.Hash) {
		t.Fatalf("%+v", made)
	}
	for _, size := range made.Sizes {
		got := h.ask(t, "GET", size.URL, "")
		head, err := jpeg.DecodeConfig(strings.NewReader(got.body))
		if err != nil || head.Width != size.Width || head.Height != size.Height || got.header.Get("Content-Type") != "image/jpeg" ||
			got.header.Get("Cache-Control") != "public, max-age=31536000, immutable" || got.header.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.Contains(got.header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %d %v %v %v", size.URL, got.status, head, err, got.header)
		}
		if again := h.ask(t, "GET", size.URL, "", "If-None-Match: "+got.header.Get("ETag")); again.status != http.StatusNotModified {
			t.Errorf("%d", again.status)
		}
	}
	for _, page := range []string{"/", "/events/" + string(event.ID)} {
		eventually(t, "the picture on "+page, func() bool {
			got := h.ask(t, "GET", page, "", browser)
			return strings.Contains(got.body, made.Sizes[0].URL) && strings.Contains(got.body, "The band, &#34;live&#34;")
		})
	}
	missing := []string{"/pictures/" + made.Hash + "/481.jpg", "/pictures/" + made.Hash + "/480.png", "/pictures/x/480.jpg", "/pictures/" + strings.Repeat("0", 32) + "/480.jpg"}
	for _, path := range missing {
		if got := h.ask(t, "GET", path, ""); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	type bad struct {
		file   []byte
		alt    string
		status int
	}
	for name, b := range map[string]bad{
		"no words": {file.Bytes(), " ", http.StatusBadRequest}, "no file": {nil, "x", http.StatusBadRequest}, "text": {[]byte("<script>alert(1)</script>"), "x", http.StatusUnprocessableEntity},
		"half": {file.Bytes()[:file.Len()/2], "x", http.StatusUnprocessableEntity}, "too large": {make([]byte, 9<<20), "x", http.StatusRequestEntityTooLarge},
		"too many words": {file.Bytes(), strings.Repeat("x", 301), http.StatusBadRequest},
	} {
		body, kind := upload(t, b.file, "alt", b.alt)
		if got := h.ask(t, "POST", path, body, session, kind); got.status != b.status || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if got := h.ask(t, "POST", path, "{}", session); got.status != http.StatusBadRequest {
		t.Errorf("JSON: %d %s", got.status, got.body)
	}
	body, kind = upload(t, nil, "remove", "yes")
	if got := h.ask(t, "POST", path, body, session, kind, browser); got.status != http.StatusSeeOther {
		t.Errorf("%d %s", got.status, got.body)
	}
	eventually(t, "no picture", func() bool {
		return !strings.Contains(h.ask(t, "GET", "/events/"+string(event.ID), "").body, "picture")
	})
	if got := h.ask(t, "DELETE", path, "", session); got.status != http.StatusNoContent {
		t.Errorf("%d", got.status)
	}
}
