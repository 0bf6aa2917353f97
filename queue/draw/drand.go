package draw

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cloudflare/circl/sign/bls"
)

// Drand is a round of drand's network quicknet (bls-unchained-g1-rfc9380): a
// group of organisations that nobody controls alone signs a number every three
// seconds. The promise is the number of the round, the value the round's
// signature in hexadecimal: the field "signature" of
// https://api.drand.sh/52db9ba7…e971/public/<round>. A round has one signature,
// so there is nothing to choose.
const Drand = "drand"

// What drand publishes of quicknet (its chain info).
const (
	quicknetKey = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc2" +
		"2b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
	quicknetGenesis = 1692803367 // Unix seconds of round 1
	quicknetPeriod  = 3          // seconds
)

type drand struct{}

func (drand) Promised(promise string) error {
	_, err := roundOf(promise)
	return err
}

func (drand) Known(promise string) time.Time {
	round, err := roundOf(promise)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(quicknetGenesis+(round-1)*quicknetPeriod, 0)
}

func (drand) Check(promise, value string) error {
	round, err := roundOf(promise)
	if err != nil {
		return err
	}
	signature, err := hex.DecodeString(value)
	if err != nil || strings.ToLower(value) != value {
		return errors.New("want the signature of the round in lower-case hexadecimal")
	}
	raw, err := hex.DecodeString(quicknetKey)
	if err != nil {
		return err
	}
	var key bls.PublicKey[bls.KeyG2SigG1]
	if err := key.UnmarshalBinary(raw); err != nil {
		return fmt.Errorf("quicknet's key: %w", err)
	}
	message := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(round)))
	if !bls.Verify(&key, message[:], signature) {
		return fmt.Errorf("it is not quicknet's signature of round %d", round)
	}
	return nil
}

// roundOf reads a promise: a round's number and nothing else.
func roundOf(promise string) (int64, error) {
	round, err := strconv.ParseInt(promise, 10, 64)
	if err != nil || round < 1 || round > 1<<40 || strconv.FormatInt(round, 10) != promise {
		return 0, errors.New("promise the number of a round of drand's quicknet")
	}
	return round, nil
}
