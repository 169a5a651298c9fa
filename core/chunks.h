/* Payloads of networks in a file: tables and coded integers to the words of a network. */
#ifndef CORE_CHUNKS_H
#define CORE_CHUNKS_H

#include "layout.h"
#include "network.h"

enum { CHUNK_OF_MATRICES = 1, CHUNK_OF_ROWS = 3 };

/* The words of a network of sines from its head and a payload of chunk 01 or 03: an answer of core.h. */
i32 chunk_sines(const Description *description, const u32 *head, u32 chunk, const u8 *bytes, u32 size, u32 *words);

/* The same of a network of wavelets, chunk 07, for a description that has its scales and colours; the coded latents
 * follow in the payload from `end` on. */
i32 chunk_wavelets(const Description *description, const u32 *head, const u8 *bytes, u32 size, u32 *words, u32 *end);

#endif
