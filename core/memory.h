/* Memory is taken in order and given back all at once. The host limits it; whoever takes checks for 0. */
#ifndef CORE_MEMORY_H
#define CORE_MEMORY_H

#include "core.h"

void memory_reset(void);           /* give everything back */
void *memory_take(u64 bytes);      /* zeroed, aligned to 16 bytes; 0 if the host allows no more */
u64 memory_mark(void);             /* what has been taken until now */
void memory_return(u64 mark);      /* give back what was taken since */
int memory_extend(u64 bytes);      /* make what was taken last longer, in place; 0 if the host allows no more */

#endif
