/** Values that several keys of the configuration have. */
import * as z from 'zod';

export const text = z.string().min(1);
export const portNumber = z.number().int().min(0).max(65535);
