// Package config is what httpd can be told: by flags, by the environment and by a file, in the same words.
//
// The structs here are the table of all settings. A field's tag says how it is called ("toml"), what it is ("doc"), which
// placeholder its value has in a help text ("arg"), whether it is a flag ("flag": "yes", or its letter), and what that means
// without a value ("bare"); the name of the flag, of the environment variable and of the key in a file are made of the one name.
// Its type says what is right.
//
// What is said twice is decided by the closer one: a flag, then the environment, then the file, then the default.
package config

import (
	"time"
)

// Config is everything. Its own Site is that of all requests whose host no other site has.
type Config struct {
	Listen         Addrs    `toml:"listen" flag:"l" arg:"ADDR" doc:"listen on ADDR: HOST:PORT, :PORT, unix:/path, or systemd or systemd:NAME for the sockets that systemd hands over; with https:// in front of it by TLS; may be repeated"`
	Admin          Addrs    `toml:"admin" flag:"yes" arg:"ADDR" doc:"serve /-/health, /-/metrics and /-/status on ADDR, where only the operator may reach it"`
	Log            Choice   `toml:"log" flag:"yes" arg:"format" one:"text,json,combined,off" doc:"format of the request log on stderr: text, json, combined or off"`
	Drain          Duration `toml:"drain" flag:"yes" arg:"duration" doc:"how long running requests may take to end when httpd stops, or is replaced"`
	ProxyProtocol  Networks `toml:"proxy_protocol" flag:"yes" arg:"NETWORK" doc:"load balancers whose connections begin by a header of the PROXY protocol, such as 10.0.0.0/8"`
	TrustedProxies Networks `toml:"trusted_proxies" flag:"yes" arg:"NETWORK" reload:"yes" doc:"proxies in front that are believed what they say of the client in X-Forwarded-For and its like"`
	TLSSelfSigned  Bool     `toml:"tls_self_signed" flag:"yes" arg:"bool" doc:"make a certificate for this run, for development; its fingerprint is printed"`
	TLSMinVersion  Choice   `toml:"tls_min_version" flag:"yes" arg:"version" one:"1.2,1.3" reload:"yes" doc:"oldest version of TLS that is spoken: 1.2 or 1.3"`
	TLSClientAuth  Choice   `toml:"tls_client_auth" flag:"yes" arg:"how" one:"off,optional,required" reload:"yes" doc:"how clients are asked for a certificate of tls_client_ca: off, optional or required"`
	TLSClientCA    Text     `toml:"tls_client_ca" flag:"yes" arg:"FILE" reload:"yes" doc:"FILE of the authorities, in PEM, whose certificates clients may have"`
	ACME           Bool     `toml:"acme" flag:"yes" arg:"bool" doc:"have certificates issued for the hosts, by Let's Encrypt, whose terms are agreed to by this"`
	ACMEHosts      Hosts    `toml:"acme_host" flag:"yes" arg:"HOST" reload:"yes" doc:"HOST that a certificate is issued for; without, those of the sites that have no tls_cert; may be repeated"`
	ACMEEmail      Text     `toml:"acme_email" flag:"yes" arg:"address" doc:"address that the issuer may write to"`
	ACMEDirectory  Text     `toml:"acme_directory" flag:"yes" arg:"URL" doc:"URL of another issuer's directory, or of one for tests"`
	ACMECA         Text     `toml:"acme_ca" flag:"yes" arg:"FILE" doc:"FILE of the authorities, in PEM, that vouch for acme_directory, in the place of the system's"`
	ACMECache      Text     `toml:"acme_cache" flag:"yes" arg:"DIR" doc:"DIR where certificates and the account are kept; without, one of the user's, or systemd's"`
	HTTPSRedirect  Bool     `toml:"https_redirect" flag:"yes" arg:"bool" reload:"yes" doc:"redirect requests that come by plain HTTP; on by default with acme"`
	HTTPSPort      Number   `toml:"https_port" flag:"yes" arg:"N" reload:"yes" doc:"port of HTTPS that is redirected to, where it is another outside; 0 is that of the first listener"`
	HSTS           Duration `toml:"hsts" flag:"yes" arg:"duration" reload:"yes" doc:"how long browsers shall come by HTTPS only, from their last visit: 8760h is a year"`
	Loops          Number   `toml:"loops" flag:"yes" arg:"N" doc:"event loops that serve connections; 0 is one for each processor"`
	MaxConnections Number   `toml:"max_connections" flag:"yes" arg:"N" doc:"connections at a time; 0 is what the limit of open files leaves"`
	HeaderTimeout  Duration `toml:"header_timeout" flag:"yes" arg:"duration" doc:"how long a request's head may take"`
	BodyTimeout    Duration `toml:"body_timeout" flag:"yes" arg:"duration" doc:"how long a request's body may pause"`
	IdleTimeout    Duration `toml:"idle_timeout" flag:"yes" arg:"duration" doc:"how long a connection may wait for its next request"`
	WriteTimeout   Duration `toml:"write_timeout" flag:"yes" arg:"duration" doc:"how long a client may take no byte of an answer"`

	Site

	Sites []Site `toml:"site"`
}

// Site is one site: files below a root, and what stands in front of them.
type Site struct {
	Hosts     Hosts      `toml:"hosts" doc:"the hosts whose site this is: example.com, *.example.com"`
	TLSCert   Text       `toml:"tls_cert" flag:"yes" arg:"FILE" doc:"FILE of the certificate, in PEM, with those of its issuers behind it"`
	TLSKey    Text       `toml:"tls_key" flag:"yes" arg:"FILE" doc:"FILE of its private key, in PEM"`
	Root      Text       `toml:"root" env:"yes" arg:"DIR" doc:"folder whose files are served"`
	Index     Names      `toml:"index" flag:"yes" arg:"NAME" doc:"file that answers for its folder; may be repeated"`
	Listing   Bool       `toml:"listing" flag:"yes" arg:"bool" doc:"answer for a folder without an index file by a list"`
	Redirects []Redirect `toml:"redirect"`
	Rewrites  []Rewrite  `toml:"rewrite"`
	Headers   []Header   `toml:"header"`
	Auth      []Auth     `toml:"auth"`
	CORS      *CORS      `toml:"cors"`
	Proxies   []Proxy    `toml:"proxy"`

	Files
}

// Redirect sends clients elsewhere.
type Redirect struct {
	From Pattern `toml:"from" doc:"pattern of what has moved: /old/{path...}"`
	To   Text    `toml:"to" doc:"where to, with the names of the pattern in braces: /new/{path}, or a URL"`
	Code Code    `toml:"code" doc:"status: 301, 302, 303, 307 or 308 (the default)"`
}

// Rewrite serves something else in the place of a path, without telling the client.
type Rewrite struct {
	From Pattern `toml:"from" doc:"pattern of the paths that clients ask for"`
	To   Text    `toml:"to" doc:"path that is served, with the names of the pattern in braces"`
}

// Header sets header lines of answers.
type Header struct {
	Path Pattern `toml:"path" doc:"pattern of the paths whose answers have it; without one, all"`
	Set  Pairs   `toml:"set" doc:"names and values; an empty value removes"`
}

// Auth asks for a name and a password.
type Auth struct {
	Path  Pattern `toml:"path" doc:"pattern of the paths that need it; of several that match, the most specific counts"`
	Realm Text    `toml:"realm" doc:"what a browser shows its user"`
	Users Pairs   `toml:"users" doc:"names, and the bcrypt hashes of their passwords, as htpasswd -nB makes them; none lets everybody in"`
	File  Text    `toml:"file" doc:"file of lines NAME:HASH, as htpasswd -B makes it, in addition to users"`
}

// CORS lets pages of other sites read answers.
type CORS struct {
	Origins     Names    `toml:"origins" doc:"origins that may: https://app.example.com, https://*.example.com or *"`
	Methods     Names    `toml:"methods" doc:"methods that they may use"`
	Headers     Names    `toml:"headers" doc:"request header lines that they may send"`
	Expose      Names    `toml:"expose" doc:"answer header lines that they may read"`
	Credentials Bool     `toml:"credentials" doc:"whether cookies come along; not with the origin *"`
	MaxAge      Duration `toml:"max_age" doc:"how long a browser may remember this"`
}

// Proxy passes what is below a path on to other servers.
type Proxy struct {
	Path            Pattern  `toml:"path" doc:"pattern of what is passed on: /api/"`
	To              Targets  `toml:"to" doc:"http://HOST[:PORT][/PATH], https://HOST[:PORT][/PATH] or unix:/path; several take turns"`
	CA              Text     `toml:"ca" doc:"file of the authorities, in PEM, that vouch for upstreams of https, in the place of the system's"`
	ServerName      Text     `toml:"server_name" doc:"name that the certificate of an upstream of https must be for, in the place of its host"`
	Insecure        Bool     `toml:"insecure" doc:"whether an upstream of https may have any certificate, so that anybody in between can be it"`
	Strip           Text     `toml:"strip" doc:"prefix that is taken off the path first: /api"`
	Host            Text     `toml:"host" doc:"Host that is sent; without one the client's, and upstream stands for the upstream's own"`
	MaxBody         Size     `toml:"max_body" doc:"bytes that a request's body may have: 10MiB; without, there is no bound"`
	ConnectTimeout  Duration `toml:"connect_timeout" doc:"how long a connection attempt may take"`
	ResponseTimeout Duration `toml:"response_timeout" doc:"how long the upstream may take to begin its answer"`
	IdleTimeout     Duration `toml:"idle_timeout" doc:"how long a body may pause"`
	TunnelTimeout   Duration `toml:"tunnel_timeout" doc:"how long a WebSocket may be silent; without, as long as it likes"`
}

// Default is what holds where nothing is said.
func Default() *Config {
	return &Config{
		Log:   Choice{Value: "text", Of: []string{"text", "json", "combined", "off"}},
		Drain: Duration(10 * time.Second),

		TLSMinVersion: Choice{Value: "1.2", Of: []string{"1.2", "1.3"}},
		TLSClientAuth: Choice{Value: "off", Of: []string{"off", "optional", "required"}},

		Site: Site{Listing: Bool{Value: true}, Files: defaultFiles()},
	}
}

// DefaultListen is where httpd listens when nothing is said; with certificates it is other addresses: see listenDefault.
const DefaultListen = ":8080"
