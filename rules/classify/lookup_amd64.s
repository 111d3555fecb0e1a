//go:build !purego

#include "lookup_amd64.h"

#include "lookup512_amd64.h"
#include "bodies_amd64.h"

#include "lookup256_amd64.h"
#include "bodies_amd64.h"
