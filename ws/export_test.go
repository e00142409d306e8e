package ws

// OnceIsEnough is onceIsEnough for the tests in package ws_test.
var OnceIsEnough = onceIsEnough

// Start is start for the tests in package ws_test.
var Start = start

// UnderRace is underRace for the tests in package ws_test.
var UnderRace = underRace
