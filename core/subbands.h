/* Integers of all subbands to bits and back, by binary decisions with mixed contexts. */
#ifndef CORE_SUBBANDS_H
#define CORE_SUBBANDS_H

#include "coder.h"
#include "layout.h"

/* Read or write all integers of a layout; what is returned is an answer of core.h. */
i32 subbands_decode(const Layout *layout, i32 *integers, Coder *coder);
i32 subbands_encode(const Layout *layout, i32 *integers, Coder *coder);

#endif
