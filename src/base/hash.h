/*
 * hash.h: a fast 64-bit hash for look-up keys and accidental damage. Not against an adversary: what
 * must be authentic is signed or hashed with SHA-256 elsewhere.
 *
 * Eight bytes are folded at a time by a 64 x 64 -> 128-bit multiplication whose halves are
 * combined. The value is the same on every machine and part of file formats: changing it changes
 * their version.
 */
#ifndef ELM_BASE_HASH_H
#define ELM_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* `seed` chains: pass the previous result to hash several pieces as one. */
uint64_t elm__hash64(const void *data, size_t size, uint64_t seed);

#endif
