// Package pages draws what people see: html/template pages, a few stylesheets
// (the waiting page loads core.css alone) and small ES modules, all embedded and
// minified at the start, without a build step. It knows no database and no
// room: each page is a method of Renderer that takes a typed view and writes a
// whole response.
//
//	handler (package web) → view struct → Renderer.Line(w, view) → HTML
//	browser → /static/<hash>/… → Renderer.Static()
//
// # Rules that the tests hold
//
// Markup carries no inline script, style or event handler, so the policy that
// every page is sent with (Policy) can forbid them. What a script needs stands
// in data- attributes; scripts write text, never markup. Each page has a
// language, a title, one h1 and a label for every input. Every page says what
// it has to say without JavaScript; those that need it to act (the shop, payment,
// the gate, steering a sale, people and keys) say so.
//
// The waiting page is at most 14 KB on the wire with all that it loads, the
// others at most 60 KB.
//
// # When something fails
//
// A page is drawn into memory first: a view that cannot be drawn returns the
// error with nothing written, and the handler may still answer a problem. An
// error of the connection while writing is returned too, after the status
// line was sent. A node of another version may be asked for a static file by
// a hash that it does not know: it serves its own file of that name, and tells
// the browser not to keep it.
package pages
