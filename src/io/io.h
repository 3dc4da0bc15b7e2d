/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_IO_IO_H
#define COFFER_IO_IO_H

/* The door of io/: the two interfaces that everything stacks on. */
#include "io/sink.h"
#include "io/source.h"

#endif
