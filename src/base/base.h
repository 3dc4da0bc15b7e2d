/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BASE_BASE_H
#define COFFER_BASE_BASE_H

/* The door of base/: what every other folder may use. */
#include "base/base64.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/directory.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/hidden.h"
#include "base/library.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/screen.h"

#endif
