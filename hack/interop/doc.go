// Package interop holds this project against other people's clients and servers of the
// protocols that it speaks: Microsoft's client of Graph (kiota, as its generated SDKs use
// it) and the Azure SDK against our service, and our uploads against Azurite. It is a module
// of its own, so that none of them is a dependency of the operator.
package interop
