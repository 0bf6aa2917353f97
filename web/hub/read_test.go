package hub

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gorilla/websocket"
)

// The reader against gorilla's client, in whole pieces and byte by byte.
func TestReadAnswersPingsAndTheClose(t *testing.T) {
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader,
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, err := upgrader.Upgrade(w, r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				read(wrap(conn.NetConn()), new(atomic.Int64), newWebSocket(conn.NetConn()))
				conn.Close()
				close(ended)
			}))
			defer server.Close()
			client, _, err := websocket.DefaultDialer.Dial(strings.Replace(server.URL, "http", "ws", 1), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			var pongs []string
			client.SetPongHandler(func(data string) error { pongs = append(pongs, data); return nil })
			deadline := time.Now().Add(10 * time.Second)
			client.SetReadDeadline(deadline)
			full := strings.Repeat("x", 125)
			for _, send := range []error{
				client.WriteMessage(websocket.TextMessage, []byte("hello?")),
				client.WriteMessage(websocket.BinaryMessage, make([]byte, mostMessage)),
				client.WriteControl(websocket.PingMessage, []byte("are you there"), deadline),
				client.WriteControl(websocket.PongMessage, nil, deadline),
				client.WriteControl(websocket.PingMessage, nil, deadline),
				client.WriteControl(websocket.PingMessage, []byte(full), deadline),
				client.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "bye"), deadline),
			} {
				if send != nil {
					t.Fatal(send)
				}
			}
			_, _, err = client.ReadMessage()
			if end, ok := errors.AsType[*websocket.CloseError](err); !ok || end.Code != websocket.CloseNoStatusReceived {
				t.Errorf("the end was %v", err)
			}
			<-ended
			if strings.Join(pongs, "|") != "are you there||"+full {
				t.Errorf("pongs %q", pongs)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("\x81\x85\x01\x02\x03\x04hello"))
	f.Add([]byte("\x8a\x80\x01\x02\x03\x04\x81\xfe\x01\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x81\xfe\xff\xff\x01\x02\x03\x04"))
	f.Add([]byte("\x81\x05hello"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		for i := 0; i+1 < len(sent); i++ {
			if op := sent[i] & 0x0f; op == opPing || op == opClose {
				return // would be answered
			}
		}
		if len(sent) > 0 && (sent[len(sent)-1]&0x0f == opPing || sent[len(sent)-1]&0x0f == opClose) {
			return
		}
		whole, bytewise := &inbox{left: -1}, &inbox{left: -1}
		a := whole.take(sent, nil)
		b := true
		for r := bytes.NewReader(sent); b && r.Len() > 0; {
			c, _ := r.ReadByte()
			b = bytewise.take([]byte{c}, nil)
		}
		if a != b || a && whole.left != bytewise.left {
			t.Errorf("whole: %v %+v, byte by byte: %v %+v", a, whole, b, bytewise)
		}
		if whole.left > mostMessage && a {
			t.Errorf("takes a message of %d bytes", whole.left)
		}
	})
}
