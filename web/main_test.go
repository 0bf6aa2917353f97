package web_test

import (
	"testing"

	"github.com/ropeline/ropeline/internal/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }
