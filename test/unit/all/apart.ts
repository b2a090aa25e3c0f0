import { others } from './third.ts';

others();
