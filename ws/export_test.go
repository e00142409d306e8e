package ws

// OnceIsEnough is onceIsEnough for the tests in package ws_test.
var OnceIsEnough = onceIsEnough

// UnderRace is underRace for the tests in package ws_test.
var UnderRace = underRace
