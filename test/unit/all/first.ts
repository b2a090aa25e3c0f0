import { third } from './third.ts';

third(0);
