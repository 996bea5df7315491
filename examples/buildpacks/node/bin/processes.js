// Prints launch.toml: the processes of the Procfile, and `web` when it has none.
const fs = require('fs');

const pkg = JSON.parse(fs.readFileSync('package.json', 'utf8'));
const processes = new Map();

// JSON strings are TOML strings: the escapes of one are those of the other.
function entry(type, command) {
	return [
		'[[processes]]',
		`type = ${JSON.stringify(type)}`,
		`command = [${command.map((word) => JSON.stringify(word)).join(', ')}]`,
		`default = ${type === 'web'}`,
		'',
	].join('\n');
}

function fromPackage() {
	if (pkg.scripts && pkg.scripts.start) {
		return ['npm', 'start'];
	}
	for (const file of [pkg.main, 'server.js', 'index.js', 'app.js']) {
		if (file && fs.existsSync(file)) {
			return ['node', file];
		}
	}
	if (pkg.scripts && pkg.scripts.dev) {
		return ['npm', 'run', 'dev'];
	}
	return null;
}

if (fs.existsSync('Procfile')) {
	for (const line of fs.readFileSync('Procfile', 'utf8').split('\n')) {
		const match = /^([A-Za-z0-9_-]+):\s*(.+?)\s*$/.exec(line);
		if (match) {
			processes.set(match[1], ['sh', '-c', match[2]]);
		}
	}
}
if (!processes.has('web')) {
	const command = fromPackage();
	if (command) {
		processes.set('web', command);
	}
}
if (!processes.size) {
	console.error('No process: package.json has no start or dev script and no main file, and there is no Procfile; name a command');
}
console.log([...processes].map(([type, command]) => entry(type, command)).join('\n'));
