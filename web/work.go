package web

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/keyring"
)

// Joining a line may cost work, in the form that ALTCHA gave it: the browser
// finds the number whose SHA-256, after the salt, is the challenge. That takes
// a fan a moment, and whoever joins a hundred thousand times as many moments.
// The server keeps nothing until a solution comes; then, that it was used.

const (
	headerWork = "Ropeline-Work"
	workLife   = 5 * time.Minute
	mostProof  = 1024 // characters of a solution
)

// challenge is what a browser gets to work on. The salt ends with "&", so that
// no digit can move between it and the number.
type challenge struct {
	Algorithm string `json:"algorithm"`
	Challenge string `json:"challenge"` // hex
	MaxNumber int    `json:"maxnumber"` // 0: joining costs nothing
	Salt      string `json:"salt"`
	Signature string `json:"signature"` // hex
}

// solution is what comes back, as base64 of JSON.
type solution struct {
	Algorithm string `json:"algorithm"`
	Challenge string `json:"challenge"`
	Number    int64  `json:"number"`
	Salt      string `json:"salt"`
	Signature string `json:"signature"`
}

// work: GET /events/{id}/work.
func (s *Server) work(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	room, err := s.hub.Room(c.Request.Context(), event.ID)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, s.newChallenge(event.ID, room.Work(), time.Now()))
	return nil
}

func (s *Server) newChallenge(event ropeline.EventID, most int, now time.Time) challenge {
	if most == 0 {
		return challenge{Algorithm: "SHA-256"}
	}
	number, _ := rand.Int(rand.Reader, big.NewInt(int64(most)+1)) // never fails
	salt := rand.Text() + "?" + url.Values{"event": {string(event)}, "expires": {strconv.FormatInt(now.Add(workLife).Unix(), 10)}}.Encode() + "&"
	hash := workHash(salt, number.Int64())
	return challenge{Algorithm: "SHA-256", Challenge: hash, MaxNumber: most, Salt: salt,
		Signature: hex.EncodeToString(s.keys.MAC(keyring.PurposeWork, []byte(hash)))}
}

func workHash(salt string, number int64) string {
	sum := sha256.Sum256([]byte(salt + strconv.FormatInt(number, 10)))
	return hex.EncodeToString(sum[:])
}

// checkWork lets a join pass that shows work for this event, once; code
// work_needed for any other. When it cannot be kept that a solution was used,
// nobody joins with one: the line is in the same Redis.
func (s *Server) checkWork(c *gin.Context, event ropeline.EventID, now time.Time) error {
	needed := ropeline.Errorf(ropeline.CodeWorkNeeded, "Joining needs some work by your browser, which takes JavaScript. GET /events/%s/work tells what.", event)
	text := c.GetHeader(headerWork)
	if text == "" || len(text) > mostProof {
		return needed
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return needed
	}
	var proof solution
	if json.Unmarshal(raw, &proof) != nil || !s.solves(proof, event, now) {
		return needed
	}
	fresh, err := s.redis.Write.SetNX(c.Request.Context(), "ropeline:work:"+proof.Challenge, 1, workLife+time.Minute).Result()
	if err != nil {
		return ropeline.Unavailable(err)
	}
	if !fresh {
		return needed
	}
	return nil
}

func (s *Server) solves(proof solution, event ropeline.EventID, now time.Time) bool {
	signature, err := hex.DecodeString(proof.Signature)
	if err != nil || !s.keys.CheckMAC(keyring.PurposeWork, []byte(proof.Challenge), signature) {
		return false
	}
	if proof.Number < 0 || subtle.ConstantTimeCompare([]byte(workHash(proof.Salt, proof.Number)), []byte(proof.Challenge)) != 1 {
		return false
	}
	// The salt is ours now: nobody else knows another one with this hash.
	_, query, _ := strings.Cut(proof.Salt, "?")
	values, err := url.ParseQuery(query)
	if err != nil || values.Get("event") != string(event) {
		return false
	}
	expires, err := strconv.ParseInt(values.Get("expires"), 10, 64)
	return err == nil && now.Unix() < expires
}
