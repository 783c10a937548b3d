// Package api carries the public API as it is generated from schemas/proto: the messages and
// services of the bank in bankv1, those of the platform in refoldv1, and the description of their
// REST form as an OpenAPI document.
//
// The generated files say so in their first line and are never edited: change schemas/proto and run
// `task generate`.
package api

import _ "embed" // for OpenAPI

// OpenAPI is the OpenAPI 2.0 description of every REST path, in JSON. It names fields as the .proto
// files do (account_id, not accountId). Callers must not write to it.
//
//go:embed openapi.json
var OpenAPI []byte
