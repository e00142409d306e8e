// Package middleware holds what many handlers want around them: one middleware, or one part of one, a file.
//
// A middleware is a function from http.Handler to http.Handler. App.Use puts it around all routes, and around what the App
// answers itself; Group and http.With around some. The first is the outermost: it sees a request first and its answer last.
//
//	app := http.New()
//	app.Use(
//		middleware.RequestID(),
//		middleware.Log(slog.Default(), middleware.LogOptions{RequestID: true}),
//		middleware.Recover(),
//		middleware.Compress(),
//		middleware.ETag(),
//	)
//
// # The order
//
// The order that is recommended, from the outermost to the innermost. Each says in its own words why.
//
//	RequestID      gives each request an id for the logs
//	RealIP         finds the client's address behind proxies that are trusted
//	Log            one record for each request
//	Metrics        counts and times requests; MetricsHandler shows what it has counted
//	Recover        makes an error of a panic
//	RedirectHTTPS  sends who comes by plain HTTP to HTTPS
//	SecureHeaders  header lines that keep browsers from harm
//	Health         answers the questions of load balancers, ahead of all that may refuse them
//	RateLimit      refuses clients that ask too often
//	CORS           lets pages of other sites ask; preflights need no authentication
//	Compress       compresses answers
//	ETag           tags answers, and spares sending what the client has
//	Timeout        ends the context of requests that take too long
//	BasicAuth      asks for a name and a password
//	KeyAuth        asks for a key
//	CSRF           refuses forms that another site has made
//	BodyLimit      bounds the bodies of requests
//	Decompress     decodes them
//
// Pprof is a handler: what the Go runtime knows of the process, for those who may see it. Put it, and MetricsHandler, on a listener
// or behind a middleware of their own.
//
// # Logs
//
// Log writes records of log/slog. LineHandler writes them for people, CombinedHandler in the format of Apache, and
// slog.JSONHandler as JSON; AsyncWriter keeps a slow writer from holding up handlers. LogRefused is for requests that no handler
// gets to see.
package middleware
