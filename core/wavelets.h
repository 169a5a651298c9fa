/* Inverse wavelets: the integers of all subbands to fields on the samples of the signal. */
#ifndef CORE_WAVELETS_H
#define CORE_WAVELETS_H

#include "layout.h"

/* All fields, channel by channel (colours of field 0, of field 1, ...); 0 if memory did not suffice. */
float *wavelets_fields(const Layout *layout, const i32 *integers);

#endif
