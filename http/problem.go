package http

import "encoding/json"

// ProblemErrors answers for an error by a problem document, RFC 9457: application/problem+json with title, status, and detail
// and members as far as e has them. It is the ErrorHandler of an App. The text of an error that is not an *Error stays in the
// log.
func ProblemErrors(c *Ctx, e *Error) error {
	doc := make(map[string]any, 3+len(e.Members))
	for name, value := range e.Members {
		doc[name] = value
	}
	doc["status"] = e.Code
	if _, own := doc["title"]; !own {
		doc["title"] = StatusText(e.Code)
	}
	if e.Detail != "" {
		doc["detail"] = e.Detail
	}
	body, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	return c.Blob(e.Code, "application/problem+json", body)
}
