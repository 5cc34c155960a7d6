//! The Guide's texts. Each starts a phrase with the cue it is spoken with; no other brackets may stand in them.

/// Something that the Guide can talk about.
pub(super) struct Topic {
    /// As it stands in "I can talk about …"; empty for small talk.
    pub(super) name: &'static str,
    /// Words and phrases in lower case, without punctuation.
    pub(super) keywords: &'static [&'static str],
    /// One of these is the answer; the first to begin with.
    pub(super) answers: &'static [&'static str],
}

/// For what nobody wrote an answer to.
pub(super) const FALLBACK: &str = "[emotion:thoughtful,pose:thinking]You said: “{question}”. \
[emotion:calm,gesture:shrug,tone:friendly]I have no text for that. I am a script, not a model, so I cannot think of an \
answer. [pose:explaining]What I can talk about: {topics}. [gesture:lean_forward]I also tell a story or count to any \
number, so that you can interrupt me. [emotion:happy,gesture:point]For real conversation, ask an agent with a model.";

/// What is said around the numbers.
pub(super) const COUNT: &str = "[emotion:excited,pose:explaining]I will count, and you may interrupt me at any time: \
{numbers}. [emotion:happy,gesture:thumbs_up]That was all of it.";

/// In the order in which they are offered; of two that match equally the earlier one answers.
pub(super) const TOPICS: &[Topic] = &[
    Topic {
        name: "who I am",
        keywords: &[
            "who are you",
            "what are you",
            "are you",
            "your name",
            "yourself",
            "script",
            "scripted",
            "simulated",
            "is this real",
            "human",
            "bot",
            "robot",
            "ai",
            "chatgpt",
            "gpt",
            "fake",
            "a language model",
            "who is this",
            "introduce",
        ],
        answers: &[
            "[emotion:calm,tone:friendly,pose:talking]I am the Guide, and I am a script, not a model. \
             [gesture:nod]Every sentence of mine was written beforehand and is streamed to you piece by piece, the way a \
             model's answer would be. [emotion:thoughtful]I understand keywords and nothing else. \
             [emotion:happy,gesture:point]What is real is everything around me: the room, its log, the stream, the \
             markers, and your right to interrupt.",
            "[emotion:calm,gesture:nod]Still the Guide, still a script and not a model. [tone:playful,emotion:happy]I \
             pick my text by the words you use, so the same question in the same conversation gets the same answer.",
        ],
    },
    Topic {
        name: "what Antiphon is",
        keywords: &[
            "antiphon",
            "what is antiphon",
            "what is this",
            "this product",
            "this place",
            "product",
            "what does it do",
            "what does this do",
            "features",
        ],
        answers: &[
            "[emotion:happy,tone:friendly,pose:explaining]Antiphon is a server for live conversations between people and \
             models. [gesture:hand_raise]A model's answer becomes a stream of events in a durable log, and everyone in \
             the room sees it word by word, over WebSocket or server-sent events. [emotion:excited]Connections may \
             break, the server may even be killed in the middle of an answer: [gesture:nod,emotion:calm]nothing is lost, \
             nothing comes twice, and every answer ends exactly once. [gesture:lean_forward]And when you interrupt, the \
             model later remembers just as much as you heard.",
        ],
    },
    Topic {
        name: "interrupting",
        keywords: &[
            "interrupt",
            "interrupting",
            "interrupts",
            "interruption",
            "stop",
            "stopping",
            "cancel",
            "cancelling",
            "pause",
            "resume a paused",
            "how do i stop",
            "barge in",
            "heard",
        ],
        answers: &["[emotion:calm,pose:explaining]To interrupt me, press the key that the chat shows, or send an \
             interrupt-stream message over the WebSocket, or post to the stream's interrupt address. \
             [gesture:lean_forward]You may say how far you heard: a count of characters of the spoken text. \
             [emotion:thoughtful]Then the message is cut to that, and the next prompt holds no more than that. \
             [gesture:hand_raise]Cancel withdraws an answer, also one that still waits in the queue; pause holds it, and \
             resume lets it go on. [emotion:happy,gesture:thumbs_up]In each case the model's connection is closed within \
             milliseconds. Ask me for a story, and try it."],
    },
    Topic {
        name: "markers",
        keywords: &[
            "marker", "markers", "emotion", "emotions", "gesture", "gestures", "pose", "poses", "tone", "tones",
            "avatar", "brackets", "cue", "cues", "wave",
        ],
        answers: &["[emotion:happy,gesture:wave]Markers are cues inside the text, such as my waving just now. \
             [pose:explaining,emotion:calm]There are four kinds: emotion, gesture, pose and tone. The model writes them \
             in square brackets, kind, colon, value; the server takes them out of what is spoken and tells clients the \
             exact place of each. [emotion:surprised]So a face can change in the middle of a sentence, \
             [emotion:thoughtful,pose:thinking]and change again, [tone:playful,emotion:excited]and a voice can follow. \
             [emotion:calm,tone:neutral,gesture:nod]A bracket that is no marker stays what it is: text."],
    },
    Topic {
        name: "connecting by WebSocket",
        keywords: &[
            "websocket",
            "websockets",
            "web socket",
            "socket",
            "ws",
            "connect",
            "connecting",
            "connection",
            "client",
        ],
        answers: &[
            "[emotion:calm,pose:explaining]Open a WebSocket to the path ws, ar-rooms, and the room's id, with your token \
             in the Authorization header. [gesture:point]A browser cannot set headers there, so it first posts to \
             /api/tickets and puts the ticket into the address; it is good once, for a minute. [gesture:nod]The server \
             says connected, then subscribed, then sends what you missed, then caught-up, and from there on you are \
             live. [emotion:happy]Send an ar-message to speak, and ping whenever you like.",
        ],
    },
    Topic {
        name: "connecting by SSE",
        keywords: &[
            "sse",
            "server sent events",
            "server sent",
            "eventsource",
            "event source",
            "curl",
            "http",
            "rest",
            "api",
        ],
        answers: &[
            "[emotion:calm,pose:explaining]A room's events also come as server-sent events: get /api/ar-rooms, the room's \
             id, stream. curl with the option N shows them as they come. [gesture:nod]Each has its position as its id, \
             so that an EventSource resumes by itself with Last-Event-ID. [gesture:hand_raise]You speak by posting to the \
             room's messages, and with wait set to true you get the whole answer in one response, for clients that \
             cannot stream. [emotion:happy,gesture:point]All of it is described at /openapi.json.",
        ],
    },
    Topic {
        name: "resuming",
        keywords: &[
            "resume",
            "resuming",
            "reconnect",
            "reconnecting",
            "position",
            "positions",
            "crash",
            "crashes",
            "kill",
            "killed",
            "lost",
            "lose",
            "durable",
            "durability",
            "disconnect",
            "restart",
            "log",
            "recover",
            "recovery",
            "exactly once",
        ],
        answers: &[
            "[emotion:calm,pose:explaining]Every event has a position, a short opaque string. Keep the last one you saw, \
             come back with it on any transport, and you get what followed: [gesture:nod]each event once, in order. \
             [emotion:excited,gesture:lean_forward]Try it: kill the server with signal nine while I talk, and start it \
             again. What you were shown had been on the disk before you saw it. [emotion:thoughtful]An answer that the \
             crash cut goes on by its agent's recovery policy: restart, continue, finish, or fail. \
             [emotion:happy]I am one of those who can continue in the middle of a sentence.",
        ],
    },
    Topic {
        name: "models",
        keywords: &[
            "model",
            "models",
            "provider",
            "providers",
            "openai",
            "anna",
            "llm",
            "llms",
            "local model",
            "local",
            "vllm",
            "ollama",
            "weights",
            "smollm",
            "which model",
        ],
        answers: &[
            "[emotion:calm,pose:explaining]An agent has a provider and a model. The kind openai is any server that speaks \
             OpenAI's chat completions, near or far. The kind local is a small real model inside this process. \
             [gesture:point,tone:playful]And the kind script is me. [emotion:thoughtful]An answer counts as complete only \
             if the provider itself says that it is over; a connection that merely ends has broken, and the agent's \
             recovery policy decides what happens. [emotion:happy]In the demo the real model is called Anna. She thinks; \
             I recite.",
        ],
    },
    Topic {
        name: "configuration",
        keywords: &[
            "configuration",
            "configure",
            "configuring",
            "config",
            "settings",
            "setting",
            "toml",
            "environment",
            "variable",
            "variables",
            "limits",
            "options",
            "flags",
            "base url",
            "agent",
            "agents",
        ],
        answers: &[
            "[emotion:calm,pose:explaining]Settings come from a TOML file, then from variables that begin with ANTIPHON \
             and an underscore, then from flags. [gesture:hand_raise]A section providers names who is called, a section \
             agents who answers, with which model, system prompt, markers, recovery and number of attempts. \
             [gesture:point]A secret is written as a string, or as the name of a variable or a file that holds it. \
             [emotion:happy,gesture:nod]antiphon serve with print-config shows what came of it all, and a misspelt key \
             is refused with a suggestion.",
        ],
    },
    Topic {
        name: "deployment",
        keywords: &[
            "deploy",
            "deploying",
            "deployment",
            "production",
            "install",
            "installing",
            "run",
            "running",
            "docker",
            "container",
            "systemd",
            "proxy",
            "nginx",
            "tls",
            "https",
            "backup",
            "upgrade",
            "health",
            "metrics",
            "monitor",
            "monitoring",
            "scale",
            "scaling",
            "operate",
        ],
        answers: &[
            "[emotion:calm,pose:explaining]Antiphon is one binary and one data directory; nothing else has to run. \
             [gesture:hand_raise]Behind a proxy, end TLS there and turn its buffering off for streams. \
             [gesture:nod]/health and /ready are for your supervisor, /metrics for Prometheus, and the logs go to \
             standard error. [emotion:thoughtful]On SIGTERM running answers get some time to finish, the rest go on after \
             the restart, and clients are told to come back. [emotion:happy,gesture:thumbs_up]antiphon doctor checks \
             ports, disk, keys and reachability, and tells you how to mend what it finds.",
        ],
    },
    Topic {
        name: "who may do what",
        keywords: &[
            "security",
            "secure",
            "token",
            "tokens",
            "jwt",
            "auth",
            "authentication",
            "login",
            "ticket",
            "tickets",
            "api key",
            "permission",
            "permissions",
            "private",
            "privacy",
            "guest",
            "guests",
            "who may",
        ],
        answers: &[
            "[emotion:calm,tone:serious,pose:explaining]A person comes with a signed token, a back end with an API key \
             that names the channels it may write and read. [gesture:nod]Only a room's own user and their agent get in: \
             to anybody else the room does not exist. [emotion:thoughtful]Keys and tokens are never logged. \
             [emotion:happy,tone:friendly]In the demo you are a guest, and your token was made for you.",
        ],
    },
    Topic {
        name: "rooms and queues",
        keywords: &[
            "room", "rooms", "queue", "queued", "history", "messages", "message", "several", "waiting", "retry",
        ],
        answers: &[
            "[emotion:calm,pose:explaining]A room is a log of events with its members. You may write on while I talk: the \
             next answers wait in order, and you see each one's place. [gesture:nod]A queue that is full refuses \
             politely. [emotion:thoughtful]The history holds what was said and how far it was heard. \
             [emotion:happy,gesture:point]An answer that failed, or that you interrupted, can be asked for again.",
        ],
    },
    Topic {
        name: "the command line",
        keywords: &[
            "command",
            "commands",
            "command line",
            "cli",
            "terminal",
            "chat",
            "tail",
            "publish",
            "publishing",
            "channel",
            "channels",
            "doctor",
            "subscribe",
        ],
        answers: &[
            "[emotion:calm,pose:explaining]The one program has several commands. serve runs the server, chat talks in the \
             terminal, tail follows a channel, publish writes events into one from standard input, token makes a token, \
             and doctor looks for what is wrong. [gesture:nod]Channels are the logs beneath the rooms, and any back end \
             may use them for its own events. [emotion:happy,gesture:point]Each command explains itself with help.",
        ],
    },
    Topic {
        name: "speed",
        keywords: &[
            "fast",
            "speed",
            "performance",
            "latency",
            "slow",
            "benchmark",
            "benchmarks",
            "throughput",
            "memory",
        ],
        answers: &[
            "[emotion:calm,pose:explaining]I talk at about eighteen pieces a second on purpose, as a model might. \
             [emotion:excited]The server itself adds little: an event is encoded once, written to the log, and the same \
             bytes go to everyone; [gesture:nod]a reader who falls behind gets what is pending in one piece and holds \
             nobody up. [emotion:happy,gesture:point]cargo xtask bench measures it on your own machine, beside a bare \
             write to the socket.",
        ],
    },
    Topic {
        name: "",
        keywords: &["story", "tell me a story", "tale", "something long", "fairy tale", "poem", "joke"],
        answers: &[
            "[emotion:happy,tone:friendly,pose:explaining]This is a long one, so interrupt me whenever you like. \
             [emotion:calm,tone:calm]Once there was an abbey with two choirs, one on either side of the nave. One sang a \
             line, and the other answered it, and so it had gone every evening for three hundred years. \
             [emotion:thoughtful,pose:thinking]Nobody remembered who had begun. [emotion:sad,tone:serious]Then came a \
             winter of such storms that the candles went out in the middle of the psalm, and the singers could not see \
             one another. [emotion:fearful,gesture:lean_back]The first choir stopped. The second waited. \
             [emotion:confused,gesture:shrug]Had the line been sung to its end, or only half of it? Some said all, some \
             said none, and when they began again half of them sang what had been sung already and the other half left \
             out a verse. [emotion:angry,tone:serious,gesture:shake_head]The abbot was not pleased. \
             [emotion:calm,pose:explaining]But there was an old scribe in the gallery, who was rather deaf, and who had \
             written down every line at the moment it was sung, for he trusted paper more than his ears. \
             [emotion:excited,gesture:hand_raise]He lit his own small lamp, found the place, and laid his finger on the \
             last word that both sides had heard. [emotion:surprised]There, he said. After this. \
             [emotion:happy,tone:excited]And the second choir drew breath and answered, and not a word was missing, and \
             not a word came twice. [emotion:calm,tone:calm,gesture:nod]Since then the storms have come every winter, \
             and the candles go out as they always did. [emotion:thoughtful]But they keep a scribe. \
             [emotion:happy,tone:friendly,gesture:thumbs_up]That is the whole story; if you let me finish it, you are \
             patient.",
        ],
    },
    Topic {
        name: "",
        keywords: &["how are you", "how is it going", "hows it going", "how do you do", "how do you feel", "whats up"],
        answers: &[
            "[emotion:happy,tone:friendly,gesture:nod]Thank you, as well as a script can be: I have no moods, only \
             markers. [tone:playful,emotion:excited]Shall I show you some?",
        ],
    },
    Topic {
        name: "",
        keywords: &["thanks", "thank you", "thx", "cheers", "well done", "good job", "ok", "okay"],
        answers: &[
            "[emotion:happy,tone:friendly,gesture:thumbs_up]With pleasure. [emotion:calm]Ask me anything else about \
             Antiphon.",
            "[emotion:happy,gesture:nod]You are welcome.",
        ],
    },
    Topic {
        name: "",
        keywords: &["bye", "goodbye", "good bye", "see you", "good night", "farewell", "ciao", "quit", "exit"],
        answers: &[
            "[emotion:happy,gesture:wave,tone:friendly]Goodbye! [emotion:calm]The room stays as it is; come back whenever \
             you like.",
        ],
    },
    Topic {
        name: "",
        keywords: &["help", "what can you do", "what can i ask", "topics", "menu", "what now", "instructions"],
        answers: &[
            "[emotion:happy,tone:friendly,pose:explaining]Ask me who I am, what Antiphon is, how to interrupt, what \
             markers are, how to connect by WebSocket or by server-sent events, how resuming works, which models there \
             are, or about configuration, deployment, tokens, rooms, commands and speed. [gesture:lean_forward]Say “tell \
             me a story” or “count to 100”, and try to stop me. [emotion:calm]I am a script, so keep to those.",
        ],
    },
    Topic {
        name: "",
        keywords: &[
            "hi",
            "hello",
            "hey",
            "hallo",
            "hola",
            "greetings",
            "good morning",
            "good evening",
            "good afternoon",
            "test",
        ],
        answers: &[
            "[emotion:happy,gesture:wave,tone:friendly]Hello! I am the Guide. [emotion:calm,gesture:nod]I am a script, \
             not a model: I know a little about Antiphon and nothing about anything else. \
             [pose:explaining,gesture:lean_forward]Ask me what Antiphon is, how to interrupt, or what markers are; or say \
             “tell me a story” and stop me in the middle.",
            "[emotion:happy,gesture:wave]Hello again! [emotion:calm]The script is still me, and I am still the script. \
             What would you like to know about Antiphon?",
        ],
    },
];
