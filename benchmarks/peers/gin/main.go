// Command gin is github.com/gin-gonic/gin on net/http in release mode, without
// middleware but for the Server header line, measured beside Carillon. It is built
// with the tag sonic, as its README advises.
package main

import (
	"log"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
	"github.com/carillon-go/carillon/benchmarks/internal/stdhandler"
)

var (
	server    = []string{"gin"}
	plaintext = []byte(endpoint.Text)
)

func main() {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.Use(func(c *gin.Context) { c.Writer.Header()["Server"] = server })
	register(e)
	log.Fatal(stdhandler.Serve("gin", e))
}

func register(e *gin.Engine) {
	e.GET("/plaintext", func(c *gin.Context) { c.Data(http.StatusOK, "text/plain", plaintext) })
	e.GET("/json", func(c *gin.Context) { c.JSON(http.StatusOK, endpoint.Message{Message: endpoint.Text}) })
	e.POST("/echo", gin.WrapF(stdhandler.Echo))
	for path, h := range stdhandler.Diagnostics() {
		e.GET(path, gin.WrapF(h))
	}
	for _, r := range endpoint.Routes() {
		e.GET(pattern(r.Path), route(r))
	}
}

// pattern turns "/user/{id}" into gin's "/user/:id".
func pattern(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

func route(r endpoint.Route) gin.HandlerFunc {
	if r.Param == "" {
		return func(c *gin.Context) { text(c, r.Plain) }
	}
	return func(c *gin.Context) { text(c, c.Param(r.Param)) }
}

func text(c *gin.Context, s string) { c.Data(http.StatusOK, "text/plain", []byte(s)) }
