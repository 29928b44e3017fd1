import { main } from './main.ts';
import { exitWith } from './user-error.ts';

exitWith(main(process.argv.slice(2)));
