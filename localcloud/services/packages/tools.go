//go:build tools

// Package tools keeps gcsfuse among this module's requirements.
package tools

import _ "github.com/googlecloudplatform/gcsfuse/v3"
