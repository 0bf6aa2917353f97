//go:build !unix

package loadtest

func raiseFiles() {}
