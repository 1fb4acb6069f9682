package directory

// A kind groups strategies, in the order in which they are shown.
type kind int

const (
	database kind = iota
	passwordless
	social
	enterprise
)

func kindOf(strategy string) kind {
	if s, ok := strategies[strategy]; ok {
		return s.kind
	}
	return social
}

// strategies are those that Auth0 has or had, with the names that users know. A
// strategy without a name stands for a different provider in each connection.
var strategies = map[string]struct {
	kind    kind
	display string
}{
	"auth0": {database, "Username and password"},

	"email": {passwordless, "Email"},
	"sms":   {passwordless, "SMS"},

	"amazon":               {social, "Amazon"},
	"apple":                {social, "Apple"},
	"aol":                  {social, "Aol"},
	"baidu":                {social, "百度"},
	"bitbucket":            {social, "Bitbucket"},
	"bitly":                {social, "Bitly"},
	"box":                  {social, "Box"},
	"daccount":             {social, "d ACCOUNT"},
	"dropbox":              {social, "Dropbox"},
	"dwolla":               {social, "Dwolla"},
	"ebay":                 {social, "ebay"},
	"evernote":             {social, "Evernote"},
	"evernote-sandbox":     {social, "Evernote (sandbox)"},
	"exact":                {social, "Exact"},
	"facebook":             {social, "Facebook"},
	"fitbit":               {social, "Fitbit"},
	"github":               {social, "GitHub"},
	"google-oauth2":        {social, "Google"},
	"google-openid":        {social, "Google OpenId"},
	"instagram":            {social, "Instagram"},
	"line":                 {social, "Line"},
	"linkedin":             {social, "LinkedIn"},
	"oauth1":               {social, ""},
	"oauth2":               {social, ""},
	"paypal":               {social, "PayPal"},
	"paypal-sandbox":       {social, "PayPal Sandbox"},
	"planningcenter":       {social, "Planning Center"},
	"salesforce":           {social, "Salesforce"},
	"salesforce-community": {social, "Salesforce Community"},
	"salesforce-sandbox":   {social, "Salesforce (sandbox)"},
	"shop":                 {social, "Shop"},
	"shopify":              {social, "Shopify"},
	"soundcloud":           {social, "Soundcloud"},
	"thecity":              {social, "The City"},
	"thecity-sandbox":      {social, "The City (sandbox)"},
	"thirtysevensignals":   {social, "Basecamp"},
	"twitter":              {social, "X"},
	"untappd":              {social, "Untappd"},
	"vkontakte":            {social, "vKontakte"},
	"weibo":                {social, "新浪微博"},
	"windowslive":          {social, "Microsoft"},
	"wordpress":            {social, "Wordpress"},
	"yahoo":                {social, "Yahoo!"},
	"yandex":               {social, "Yandex"},

	"ad":           {enterprise, "AD / LDAP"},
	"adfs":         {enterprise, "ADFS"},
	"auth0-adldap": {enterprise, "AD/LDAP"},
	"auth0-oidc":   {enterprise, "Auth0 OpenID Connect"},
	"custom":       {enterprise, "Custom Auth"},
	"google-apps":  {enterprise, "Google Workspace"},
	"ip":           {enterprise, "IP Address"},
	"mscrm":        {enterprise, "Dynamics CRM"},
	"office365":    {enterprise, "Office365"},
	"oidc":         {enterprise, "OpenID Connect"},
	"okta":         {enterprise, "Okta Workforce"},
	"pingfederate": {enterprise, "Ping Federate"},
	"samlp":        {enterprise, "SAML"},
	"sharepoint":   {enterprise, "SharePoint Apps"},
	"waad":         {enterprise, "Microsoft Entra ID"},
}
