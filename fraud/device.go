package fraud

import (
	"crypto/rand"
	"encoding/base64"
	"time"

	"github.com/ropeline/ropeline/internal/keyring"
)

// DeviceLife is how long a browser keeps the device cookie.
const DeviceLife = 90 * 24 * time.Hour

const deviceLength = 16 // bytes of the id, and of its MAC

// NewDevice makes the value of a device cookie: base64url of 16 random bytes
// and of the MAC over them, so that nobody makes up devices by the thousand
// without asking for a page each time.
func (f *Fraud) NewDevice() string {
	raw := make([]byte, deviceLength, 2*deviceLength)
	rand.Read(raw)
	return base64.RawURLEncoding.EncodeToString(append(raw, f.deviceMAC(raw)...))
}

// Device checks a cookie; "" for one that this house did not make.
func (f *Fraud) Device(cookie string) string {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cookie)
	if err != nil || len(raw) != 2*deviceLength ||
		!f.keys.CheckMAC(keyring.PurposeFraud, deviceMessage(raw[:deviceLength]), raw[deviceLength:]) {
		return ""
	}
	return string(raw[:deviceLength])
}

func (f *Fraud) deviceMAC(id []byte) []byte {
	return f.keys.MAC(keyring.PurposeFraud, deviceMessage(id))
}

func deviceMessage(id []byte) []byte { return append([]byte("device cookie\x00"), id...) }
