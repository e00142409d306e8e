package ws

// OnceIsEnough is onceIsEnough for the tests in package ws_test.
var OnceIsEnough = onceIsEnough

// Start is start for the tests in package ws_test.
var Start = start

// ClientSide is clientSide for the tests in package ws_test.
var ClientSide = clientSide

// OverTLS reports overTLS to the tests in package ws_test.
func OverTLS() bool { return overTLS }

// UnderRace is underRace for the tests in package ws_test.
var UnderRace = underRace
