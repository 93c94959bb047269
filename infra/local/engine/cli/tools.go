//go:build tools

// Package tools names the program that is built here, so that go.sum pins it and every module behind it.
package tools

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
