// The page's own words, in both languages; what the bot writes comes from the bot.

const WORDS = {
  en: {
    demo: "demo",
    lead: "Talk to the real bot: it runs here between a made-up Telegram and a made-up gateway. Nothing leaves this machine.",
    skip: "Go to the message field",
    theme: "Light or dark",
    language: "中文",
    chats: "Chats",
    conversation: "Chat",
    views: "What is shown",
    messages: "Messages",
    topics: "Topics",
    general: "All",
    commands: "The bot's commands",
    message: "Message",
    send: "Send",
    as: "as",
    newest: "Go to the newest message",
    cancelReply: "Do not reply",
    reply: "Reply",
    replyTo: "Reply to {name}",
    edited: "edited",
    editedNow: "edited just now",
    video: "Video",
    photo: "Picture",
    document: "File",
    showMore: "Show more",
    showLess: "Show less",
    spoiler: "Hidden text: press to read",
    copied: "Copied",
    copyCode: "Copy",
    topicOpened: "Topic “{name}” was opened",
    event: "The chat was changed",
    private: "private chat with the bot",
    group: "group with topics; the bot reads commands only",
    channel: "channel; what is written here is its post",
    uploading: "is uploading a video…",
    typing: "is typing…",
    pinned: "Pinned: {text}",
    today: "Today",
    unread: "{n} unread",
    gateway: "The gateway",
    gatewayHint: "Submit a task as your script would, then tell the bot its id.",
    kind: "Kind",
    takes: "Takes",
    ends: "Ends",
    progress: "Progress",
    submit: "Submit a task",
    tour: "Play the tour again",
    steps: "I move it on",
    never: "never",
    endsVideo: "with a video",
    endsNoLink: "with a video, no link",
    endsHuge: "with a video of 52 MB",
    endsFailed: "refused: sensitive",
    endsError: "failed: no capacity",
    steady: "steady",
    stuck: "stuck at 60 %",
    none: "none",
    progressNote: "of videos only",
    faults: "Break something",
    gatewayAway: "Gateway away",
    telegramAway: "Telegram away",
    tooManyRequests: "Answers 429",
    deadLinks: "Links are dead",
    slowHost: "Slow video host",
    tasks: "Tasks at the gateway",
    noTasks: "No tasks yet.",
    queued: "queued",
    running: "running",
    succeeded: "succeeded",
    failed: "failed",
    copyId: "Copy id",
    copyCreated: "Copy response",
    copyCurl: "Copy curl",
    watch: "Write /watch",
    advance: "Next phase",
    submitted: "submitted {time}",
    started: "started {time}",
    ended: "ended {time}",
    polls: { one: "asked once", other: "asked {n} times" },
    downloads: { one: "fetched once", other: "fetched {n} times" },
    lastAnswer: "Last response to the bot",
    lastAt: "HTTP {status} at {time}",
    lastCut: "connection closed at {time}",
    notAsked: "not asked yet",
    mind: "The bot's mind",
    mindHint: "Read from its database and metrics while it works.",
    nextPoll: "Next poll",
    task: "Task",
    status: "Status",
    inSeconds: "in {n} s",
    due: "now",
    noPoll: "–",
    waiting: "Deliveries that wait",
    nothingWaits: "None: everything is sent.",
    learned: "Learned durations",
    nothingLearned: "Nothing yet; saved once a minute.",
    learnedRow: { one: "about {s} s, from one task", other: "about {s} s, from {n} tasks" },
    keyRow: "up to {limit} requests a second",
    keys: "Key",
    since: "since {time}",
    nothingKnown: "The bot has no tasks.",
    connecting: "Connecting…",
    lost: "The demo does not respond. Is it still running?",
    ok: "OK",
    file: "Download {name}",
  },
  zh: {
    demo: "试玩",
    lead: "和真正的机器人聊天：它就在本机运行，两边是模拟的 Telegram 和模拟的网关，没有任何数据离开这台电脑。",
    skip: "跳到输入框",
    theme: "浅色或深色",
    language: "English",
    chats: "会话",
    conversation: "聊天",
    views: "显示内容",
    messages: "消息",
    topics: "话题",
    general: "全部",
    commands: "机器人命令",
    message: "输入消息",
    send: "发送",
    as: "身份",
    newest: "跳到最新消息",
    cancelReply: "取消回复",
    reply: "回复",
    replyTo: "回复 {name}",
    edited: "已编辑",
    editedNow: "刚刚编辑",
    video: "视频",
    photo: "图片",
    document: "文件",
    showMore: "展开",
    showLess: "收起",
    spoiler: "隐藏内容，点按查看",
    copied: "已复制",
    copyCode: "复制",
    topicOpened: "已创建话题“{name}”",
    event: "会话有变动",
    private: "与机器人的私聊",
    group: "带话题的群组，机器人只能看到命令",
    channel: "频道，在这里输入即以频道名义发布",
    uploading: "正在上传视频…",
    typing: "正在输入…",
    pinned: "置顶：{text}",
    today: "今天",
    unread: "{n} 条未读",
    gateway: "网关",
    gatewayHint: "像脚本那样提交一个任务，再把任务 ID 告诉机器人。",
    kind: "类型",
    takes: "耗时",
    ends: "结局",
    progress: "进度",
    submit: "提交任务",
    tour: "重新播放演示",
    steps: "我来推进",
    never: "不结束",
    endsVideo: "生成视频",
    endsNoLink: "有视频，无链接",
    endsHuge: "52 MB 的视频",
    endsFailed: "失败：内容敏感",
    endsError: "失败：资源不足",
    steady: "平稳",
    stuck: "卡在 60%",
    none: "无",
    progressNote: "仅 videos 有进度",
    faults: "制造故障",
    gatewayAway: "网关断线",
    telegramAway: "Telegram 断线",
    tooManyRequests: "返回 429",
    deadLinks: "链接失效",
    slowHost: "视频主机很慢",
    tasks: "网关上的任务",
    noTasks: "还没有任务。",
    queued: "排队中",
    running: "生成中",
    succeeded: "已完成",
    failed: "已失败",
    copyId: "复制 ID",
    copyCreated: "复制响应",
    copyCurl: "复制 curl",
    watch: "填入 /watch",
    advance: "下一阶段",
    submitted: "{time} 提交",
    started: "{time} 开始",
    ended: "{time} 结束",
    polls: { other: "被查询 {n} 次" },
    downloads: { other: "被下载 {n} 次" },
    lastAnswer: "机器人最近收到的响应",
    lastAt: "{time}，HTTP {status}",
    lastCut: "{time}，连接被断开",
    notAsked: "尚未查询",
    mind: "机器人在想什么",
    mindHint: "直接读自它的数据库和指标。",
    nextPoll: "下次查询",
    task: "任务",
    status: "状态",
    inSeconds: "{n} 秒后",
    due: "马上",
    noPoll: "–",
    waiting: "待发送的消息",
    nothingWaits: "没有，全部发完了。",
    learned: "学到的耗时",
    nothingLearned: "还没有；每分钟保存一次。",
    learnedRow: { other: "约 {s} 秒（{n} 个任务）" },
    keyRow: "每秒最多 {limit} 次请求",
    keys: "密钥",
    since: "{time} 起",
    nothingKnown: "机器人还没有任务。",
    connecting: "正在连接…",
    lost: "试玩程序没有响应，它还在运行吗？",
    ok: "好",
    file: "下载 {name}",
    refusals: {
      "The tour is being played.": "演示正在播放。",
      "This button is gone.": "这个按钮已经不在了。",
      "This is too long to be sent.": "内容太长，无法发送。",
      "The message to reply to does not exist.": "要回复的消息已不存在。",
      "The gateway has too many tasks; start the demo again.": "网关上的任务太多了，请重新启动试玩。",
    },
  },
};

const remembered = read("language");
export let language =
  remembered in WORDS ? remembered : navigator.languages?.some((each) => /^zh/i.test(each)) && !/^en/i.test(navigator.language) ? "zh" : "en";

export function setLanguage(chosen) {
  language = chosen;
  write("language", chosen);
}

export function t(key, values = {}) {
  let text = WORDS[language][key];
  if (typeof text === "object") text = text[new Intl.PluralRules(language).select(values.n)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// A sentence of the server, in the page's language where it has one.
export const refusal = (sentence) => WORDS[language].refusals?.[sentence] ?? sentence;

export function translatePage() {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-t-label]")) {
    node.setAttribute("aria-label", t(node.dataset.tLabel));
    if (node.tagName === "BUTTON") node.title = t(node.dataset.tLabel);
  }
  for (const node of document.querySelectorAll("[data-t-placeholder]")) node.placeholder = t(node.dataset.tPlaceholder);
}

export const locale = () => (language === "zh" ? "zh-CN" : "en-GB");

const clocks = new Map(); // by locale and whether with seconds, as each takes long to make

export function clock(seconds, withSeconds = false) {
  const key = `${locale()} ${withSeconds}`;
  if (!clocks.has(key)) {
    clocks.set(key, new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit", second: withSeconds ? "2-digit" : undefined }));
  }
  return clocks.get(key).format(seconds * 1000);
}

export function size(bytes) {
  const [number, unit] = bytes >= 1e6 ? [bytes / 1e6, "megabyte"] : [bytes / 1e3, "kilobyte"];
  return number.toLocaleString(locale(), { style: "unit", unit, maximumFractionDigits: number < 10 ? 1 : 0 });
}

export function duration(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

export function read(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // a browser that keeps nothing
  }
}

export function write(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // it holds until the page is closed
  }
}
