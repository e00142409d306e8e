package ws

// UnderRace is underRace for the tests in package ws_test.
var UnderRace = underRace
