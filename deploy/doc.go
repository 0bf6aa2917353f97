// Package deploy holds what stands around the program: setup.sh installs the
// engines' binaries on a developer's machine, Caddyfile is the proxy of
// docker-compose.yml. Its tests hold those files in step with the program;
// there is no code.
package deploy
